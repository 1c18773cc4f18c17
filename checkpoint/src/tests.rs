mod arbitrary;
mod damage;
mod golden;
mod packs;
mod roundtrip;
