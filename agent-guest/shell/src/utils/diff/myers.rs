//! Which lines of two texts have no partner: Myers's algorithm in linear space.

use crate::utils::Pace;

/// Differences after which a stretch counts as changed throughout: the search takes time in their square.
const MAX_COST: isize = 20_000;

/// For each line of either text whether it changed.
pub(super) async fn changed(a: &[u32], b: &[u32]) -> (Vec<bool>, Vec<bool>) {
    let mut marks = (vec![false; a.len()], vec![false; b.len()]);
    let mut todo = vec![((0, a.len()), (0, b.len()))];
    let mut search = Search::default();
    while let Some(((mut a_from, mut a_to), (mut b_from, mut b_to))) = todo.pop() {
        while a_from < a_to && b_from < b_to && a[a_from] == b[b_from] {
            (a_from, b_from) = (a_from + 1, b_from + 1);
        }
        while a_from < a_to && b_from < b_to && a[a_to - 1] == b[b_to - 1] {
            (a_to, b_to) = (a_to - 1, b_to - 1);
        }
        let split = match (a_from < a_to, b_from < b_to) {
            (true, true) => search.middle(&a[a_from..a_to], &b[b_from..b_to]).await,
            _ => None,
        };
        match split {
            Some((x, y)) => {
                todo.push(((a_from, a_from + x), (b_from, b_from + y)));
                todo.push(((a_from + x, a_to), (b_from + y, b_to)));
            }
            None => {
                marks.0[a_from..a_to].fill(true);
                marks.1[b_from..b_to].fill(true);
            }
        }
    }
    marks
}

/// How far each diagonal was reached, from the beginning and from the end.
#[derive(Default)]
struct Search {
    forward: Vec<isize>,
    backward: Vec<isize>,
    pace: Pace,
}

impl Search {
    /// A point on a shortest path through two texts that share neither first nor last line.
    async fn middle(&mut self, a: &[u32], b: &[u32]) -> Option<(usize, usize)> {
        let (n, m) = (isize::try_from(a.len()).ok()?, isize::try_from(b.len()).ok()?);
        let delta = n - m;
        let most = ((n + m + 1) / 2).min(MAX_COST);
        let offset = most + 1;
        let size = usize::try_from(2 * offset + 1).ok()?;
        for reached in [&mut self.forward, &mut self.backward] {
            reached.clear();
            reached.resize(size, 0);
        }
        let at = |k: isize| usize::try_from(k + offset).unwrap_or(0);
        for d in 0..=most {
            for k in (-d..=d).step_by(2) {
                self.pace.step().await;
                let start = furthest(&self.forward, at, k, d);
                let x = start + run(a, b, start, start - k, false);
                self.forward[at(k)] = x;
                let other = delta - k;
                if delta % 2 != 0 && other.abs() < d && x + self.backward[at(other)] >= n {
                    return inside(start, start - k, n, m);
                }
            }
            for k in (-d..=d).step_by(2) {
                let start = furthest(&self.backward, at, k, d);
                let x = start + run(a, b, start, start - k, true);
                self.backward[at(k)] = x;
                let other = delta - k;
                if delta % 2 == 0 && other.abs() <= d && x + self.forward[at(other)] >= n {
                    return inside(n - x, m - (x - k), n, m);
                }
            }
        }
        None
    }
}

/// Where diagonal `k` is entered with one more difference.
fn furthest(reached: &[isize], at: impl Fn(isize) -> usize, k: isize, d: isize) -> isize {
    if d == 0 {
        return 0;
    }
    let down = k == -d || k != d && reached[at(k - 1)] < reached[at(k + 1)];
    if down { reached[at(k + 1)] } else { reached[at(k - 1)] + 1 }
}

/// How many lines are the same from a point on, forwards or from the end backwards.
fn run(a: &[u32], b: &[u32], x: isize, y: isize, backward: bool) -> isize {
    let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return 0 };
    if x > a.len() || y > b.len() {
        return 0;
    }
    let (a, b) = match backward {
        false => (&a[x..], &b[y..]),
        true => (&a[..a.len() - x], &b[..b.len() - y]),
    };
    let same = match backward {
        false => a.iter().zip(b).take_while(|(a, b)| a == b).count(),
        true => a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count(),
    };
    isize::try_from(same).unwrap_or(0)
}

/// The point, if it divides anything.
fn inside(x: isize, y: isize, n: isize, m: isize) -> Option<(usize, usize)> {
    let divides = (0..=n).contains(&x) && (0..=m).contains(&y) && (x, y) != (0, 0) && (x, y) != (n, m);
    if divides { Some((usize::try_from(x).ok()?, usize::try_from(y).ok()?)) } else { None }
}
