//! Whole-cloud tests: one binary, a module for each promise.

mod first_light;
