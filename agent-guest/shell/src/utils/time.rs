//! Calendar dates, UTC only, without tables of time zones.

use std::{
    fs::Metadata,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(crate) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

/// A moment as people write it, from seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) seconds: i64,
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: usize,
    /// 1 to 31.
    pub(crate) day: i64,
    /// 0 is Sunday.
    pub(crate) weekday: usize,
    /// 1 to 366.
    pub(crate) day_of_year: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    pub(crate) fn new(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY);
        let rest = seconds.rem_euclid(DAY);
        let (year, month, day) = date_of(days);
        Self {
            seconds,
            year,
            month: index(month),
            day,
            weekday: index((days + 4).rem_euclid(7)),
            day_of_year: days - days_to(year, 1, 1) + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// `Jan` to `Dec`.
    pub(crate) fn month_name(&self) -> &'static str {
        &MONTHS[self.month - 1][..3]
    }
}

fn index(small: i64) -> usize {
    usize::try_from(small).unwrap_or_default()
}

/// Days from the epoch to a date. Counted in 400-year eras that begin in March, so that a leap day is last.
pub(crate) fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = (year + (month - 1).div_euclid(12), (month - 1).rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// Seconds and nanoseconds since the epoch, the seconds negative before it.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    let whole = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (whole(after), after.subsec_nanos()),
        Err(error) => {
            let before = error.duration();
            match before.subsec_nanos() {
                0 => (-whole(before), 0),
                nanos => (-whole(before) - 1, 1_000_000_000 - nanos),
            }
        }
    }
}

/// The moment so many seconds after the epoch; the epoch itself if no clock reaches that far.
pub(crate) fn from_epoch(seconds: i64) -> SystemTime {
    let span = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    time.unwrap_or(UNIX_EPOCH)
}

/// Seconds since the epoch, now.
pub(crate) fn now() -> i64 {
    since_epoch(SystemTime::now()).0
}

/// When a file was last changed, in seconds since the epoch.
pub(crate) fn modified(metadata: &Metadata) -> i64 {
    metadata.modified().map_or(0, |time| since_epoch(time).0)
}

/// Reads a date: `now`, `today`, `yesterday`, `tomorrow`, `@SECONDS`, `YYYY-MM-DD`, with `HH:MM[:SS]`,
/// `T` or a space before it and `Z`, `UTC` or `+HH:MM` behind it, `+3 days`, `2 hours ago`, and combinations.
pub(crate) fn parse(text: &str, now: i64) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.split('.').next()?.parse().ok();
    }
    let mut at = now;
    let mut timed = false;
    let spaced = spaced(text);
    let mut words = spaced.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        if let Some(days) = date(word) {
            at = days * DAY + if timed { at.rem_euclid(DAY) } else { 0 };
        } else if let Some(east) = word.contains(':').then(|| zone(word)).flatten() {
            at -= east;
        } else if word.contains(':') {
            at = at.div_euclid(DAY) * DAY + clock(word)?;
            timed = true;
        } else if let "now" | "today" | "utc" | "gmt" | "z" = lower.as_str() {
            continue;
        } else if let "yesterday" | "tomorrow" = lower.as_str() {
            at += if lower == "tomorrow" { DAY } else { -DAY };
        } else {
            let (count, unit) = match lower.as_str() {
                "+" => (words.next()?.parse().ok()?, words.next()?.to_ascii_lowercase()),
                "-" => (-words.next()?.parse::<i64>().ok()?, words.next()?.to_ascii_lowercase()),
                "next" => (1, words.next()?.to_ascii_lowercase()),
                "last" => (-1, words.next()?.to_ascii_lowercase()),
                _ => match lower.parse() {
                    Ok(count) => (count, words.next()?.to_ascii_lowercase()),
                    Err(_) => (1, lower),
                },
            };
            let count: i64 = if words.next_if_eq(&"ago").is_some() { -count } else { count };
            at = shift(at, count, &unit)?;
        }
    }
    Some(at)
}

/// `2026-01-02T03:04` as separate words; a zone stays with its time.
fn spaced(text: &str) -> String {
    let mut spaced = text.to_owned();
    if let Some(at) = text.find('T').filter(|at| *at >= 8 && text[..*at].contains('-')) {
        spaced.replace_range(at..=at, " ");
    }
    spaced
}

fn date(word: &str) -> Option<i64> {
    let mut parts = word.splitn(3, '-');
    let year: i64 = parts.next().filter(|part| part.len() == 4)?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    let days = days_to(year, month, day);
    ((1..=12).contains(&month) && date_of(days) == (year, month, day)).then_some(days)
}

fn clock(word: &str) -> Option<i64> {
    let word = word.trim_end_matches(['Z', 'z']);
    let zone = word.find(['+', '-']);
    let (time, zone) = word.split_at(zone.unwrap_or(word.len()));
    let mut parts = time.split(':');
    let mut next = |below: i64| -> Option<i64> {
        let part = parts.next().unwrap_or("0");
        part.split('.').next()?.parse().ok().filter(|n| (0..below).contains(n))
    };
    let seconds = next(24)? * 3600 + next(60)? * 60 + next(61)?;
    Some(if zone.is_empty() { seconds } else { seconds - self::zone(zone)? })
}

/// `+02:00` or `-0330` as seconds east of Greenwich.
fn zone(text: &str) -> Option<i64> {
    let sign = if text.starts_with('+') { 1 } else { -1 };
    let digits: String = text.strip_prefix(['+', '-'])?.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2)?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().unwrap_or(0) * 60))
}

fn shift(at: i64, count: i64, unit: &str) -> Option<i64> {
    let seconds = match unit.trim_end_matches('s') {
        "sec" | "second" => 1,
        "min" | "minute" => 60,
        "hour" => 3600,
        "day" => DAY,
        "week" => 7 * DAY,
        "fortnight" => 14 * DAY,
        "month" | "year" => {
            let months = if unit.starts_with('y') { count.checked_mul(12)? } else { count };
            let then = Civil::new(at);
            let month = i64::try_from(then.month).ok()?.checked_add(months)?;
            return Some(days_to(then.year, month, then.day) * DAY + at.rem_euclid(DAY));
        }
        _ => return None,
    };
    at.checked_add(count.checked_mul(seconds)?)
}
