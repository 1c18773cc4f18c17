//! What objects are called.
//!
//! A pack is `packs/<two characters>/<id>`. The two are the first of the id's random part: ids begin with the time,
//! and names that all begin alike end up on one partition of an object store, and in one directory of a disk. So
//! there are 1,024 of them, filled evenly.
//!
//! A component is `images/<the digits of its digest>`.

use object_store::path::Path;
use wire::{Digest, PackId};

pub(crate) const PACKS: &str = "packs";
pub(crate) const IMAGES: &str = "images";
/// Characters of a ULID that are its time.
const TIME: usize = 10;

/// What a ULID is written in.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The names between [`PACKS`] and the ids.
pub(crate) fn shares() -> impl Iterator<Item = String> {
    LETTERS.iter().flat_map(|a| LETTERS.iter().map(|b| [*a, *b].map(char::from).iter().collect()))
}

pub(crate) fn pack(id: PackId) -> Path {
    let text = id.to_string();
    let random = PackId::PREFIX.len() + TIME;
    Path::from_iter([PACKS, &text[random..random + 2], &text])
}

pub(crate) fn pack_id(name: &Path) -> Option<PackId> {
    let id = name.filename()?.parse().ok()?;
    (pack(id) == *name).then_some(id)
}

pub(crate) fn image(digest: &Digest) -> Path {
    Path::from_iter([IMAGES, digest.hex()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_lies_by_its_random_part() {
        let id: PackId = "pck_01KAV1MTX5ABCDEFGHJKMNPQRS".parse().unwrap();
        assert_eq!(pack(id).as_ref(), "packs/AB/pck_01KAV1MTX5ABCDEFGHJKMNPQRS");
        assert_eq!(pack_id(&pack(id)), Some(id));
        assert_eq!(pack_id(&Path::from("packs/ZZ/pck_01KAV1MTX5ABCDEFGHJKMNPQRS")), None);
        assert_eq!(pack_id(&Path::from("packs/AB/README")), None);
    }
}
