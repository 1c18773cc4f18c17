//! Adds an access module to a component, so that its host can read and write its state.
