//! A run that is suspended, woken, moved or forked between any two of its events is the run that never was: for agents
//! in Rust, in Python, and in JavaScript on QuickJS and on SpiderMonkey. What they do is in
//! `tests/guests/machine/README.md`.

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use self::run::Stage;

mod cycles;
mod run;
mod sequence;

const COMMON: &str = include_str!("../guests/machine/transcript.txt");
const FILES: &str = include_str!("../guests/machine/files.txt");

/// Of the conversations that every run of the tests has; `PROPTEST_RNG_SEED` gives others.
const SEED: u64 = 4;

/// Conversations with and without disturbance: `cases` of them, unless `PROPTEST_CASES` says how many.
#[expect(clippy::print_stdout, reason = "of interest to who raises the number of cases")]
fn conversations(image: &'static str, cases: u32) {
    let given = Config::default();
    // Without the variables each of these is what proptest has for everybody.
    let cases = if given.cases == 256 { cases } else { given.cases };
    let seed = if let RngSeed::Fixed(seed) = given.rng_seed { seed } else { SEED };
    // Each try is a run of its own: only who looks for the shortest one waits for it.
    let max_shrink_iters = if given.max_shrink_iters == u32::MAX { 0 } else { given.max_shrink_iters };
    let rng_seed = RngSeed::Fixed(seed);
    let config = Config { cases, rng_seed, max_shrink_iters, failure_persistence: None, ..given };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let stage = std::cell::RefCell::new(runtime.block_on(Stage::of(image)));
    let begun = std::time::Instant::now();
    let outcome = TestRunner::new(config).run(&sequence::conversation(), |steps| {
        let mut stage = stage.try_borrow_mut().map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime.block_on(stage.compare(&steps));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps: Vec<String> = steps.iter().map(|step| format!("{step:?}\n")).collect();
            panic!("{image} with PROPTEST_RNG_SEED={seed}, after\n{}{why}", steps.concat())
        }
        Err(other) => panic!("{image} with PROPTEST_RNG_SEED={seed}: {other}"),
    }
    let stage = stage.into_inner();
    let happened = &stage.happened;
    println!("{image}: {cases} conversations, {happened:?}, {:?}", begun.elapsed());
    assert_eq!(happened.len(), 5, "each kind of disturbance came about: {happened:?}");
    // What is left of the cloud ends inside its runtime.
    let _entered = runtime.enter();
    drop(stage);
}

/// What is written down is what it says.
async fn transcript(image: &'static str, text: &str) {
    let (steps, printed) = sequence::transcript(text);
    Stage::of(image).await.run(&steps, Some(&printed)).await;
}

#[test]
fn rust_goes_on_as_if_undisturbed() {
    conversations("machine", 10);
}

#[test]
fn quickjs_goes_on_as_if_undisturbed() {
    conversations("machine-quickjs", 8);
}

#[test]
fn python_goes_on_as_if_undisturbed() {
    conversations("machine-py", 4);
}

#[test]
fn spidermonkey_goes_on_as_if_undisturbed() {
    conversations("machine-js", 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_says_what_is_written_down() {
    transcript("machine", COMMON).await;
    transcript("machine", FILES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quickjs_says_what_is_written_down() {
    transcript("machine-quickjs", COMMON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_says_what_is_written_down() {
    transcript("machine-py", COMMON).await;
    transcript("machine-py", FILES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spidermonkey_says_what_is_written_down() {
    transcript("machine-js", COMMON).await;
}
