//! Images that agents can be spawned from: what the hosts have.

use wire::{access::Scope, image::Image};

use super::{App, access::Caller};
use crate::{error::Error, fleet::Found};

impl App {
    /// Every image; whoever may spawn may see what from.
    pub(crate) fn list_images(&self, caller: &Caller) -> Result<Vec<Image>, Error> {
        may_see(caller)?;
        Ok(self.fleet.images())
    }

    /// An image by name or digest.
    pub(crate) fn image(&self, caller: &Caller, name: &str) -> Result<Image, Error> {
        may_see(caller)?;
        match self.fleet.image(name) {
            Found::Image(image) => Ok(image),
            Found::Unknown | Found::NoHosts => Err(Error::not_found()),
        }
    }
}

fn may_see(caller: &Caller) -> Result<(), Error> {
    caller.need(Scope::Images).or_else(|missing| caller.need(Scope::AgentsSpawn).map_err(|_| missing))
}
