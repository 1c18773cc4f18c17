//! The credential of one host: `claw_host_<host id>_<mac>`, both ways between API and host.
//!
//! The mac is HMAC-SHA-256 of the host's id under the fleet's key, so the API needs no row to know a
//! host, and a host that is broken into gives away itself and nobody else. Only the API holds the key.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use wire::HostId;

/// What every credential begins with: scanners for leaked secrets look for it.
pub const PREFIX: &str = "claw_host_";
/// Longest text that is looked at, bytes. A credential has 105.
pub const MAX_BYTES: usize = 128;
/// Sets these macs apart from any other use of the key.
const CONTEXT: &[u8] = b"openclaw host credential v1:";

/// The key all credentials of a fleet are made with.
#[derive(Clone)]
pub struct FleetKey(Hmac<Sha256>);

impl FleetKey {
    /// From 32 secret bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // A key shorter than the hash's block is padded with zeros, by definition of HMAC.
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(Hmac::new(&block.into()))
    }

    /// A host's credential: the same every time.
    #[must_use]
    pub fn credential(&self, host: HostId) -> String {
        format!("{PREFIX}{host}_{}", hex::encode(self.mac(host).finalize().into_bytes()))
    }

    /// Whose credential this is; `None` when it is nobody's. The mac is compared in constant time.
    #[must_use]
    pub fn verify(&self, text: &str) -> Option<HostId> {
        let (host, mac) = split(text)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(mac, &mut bytes).ok()?;
        self.mac(host).verify_slice(&bytes).ok()?;
        Some(host)
    }

    fn mac(&self, host: HostId) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(CONTEXT);
        mac.update(host.to_string().as_bytes());
        mac
    }
}

impl fmt::Debug for FleetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetKey(..)")
    }
}

/// The host a credential claims to be of, with nothing proved: how a host learns its own id.
#[must_use]
pub fn claimed(text: &str) -> Option<HostId> {
    split(text).map(|(host, _)| host)
}

fn split(text: &str) -> Option<(HostId, &str)> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (host, mac) = text.strip_prefix(PREFIX)?.rsplit_once('_')?;
    Some((host.parse().ok()?, mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_good_for_its_host_and_fleet() {
        let fleet = FleetKey::new(&[7; 32]);
        let host = HostId::new();
        let text = fleet.credential(host);
        assert!(text.len() <= MAX_BYTES);
        assert_eq!(fleet.verify(&text), Some(host));
        assert_eq!(claimed(&text), Some(host));
        assert_eq!(FleetKey::new(&[8; 32]).verify(&text), None);
    }

    #[test]
    fn one_host_cannot_pass_for_another() {
        let fleet = FleetKey::new(&[7; 32]);
        let (mine, theirs) = (HostId::new(), HostId::from_u128(1));
        let forged = fleet.credential(mine).replace(&mine.to_string(), &theirs.to_string());
        assert_eq!(fleet.verify(&forged), None);
    }

    #[test]
    fn what_is_not_a_credential_is_refused() {
        let fleet = FleetKey::new(&[7; 32]);
        let text = fleet.credential(HostId::new());
        for wrong in [
            "",
            "claw_host_",
            "claw_host__",
            &text[..text.len() - 1],
            &text[..text.len() - 2],
            &format!("{text}00"),
        ] {
            assert_eq!(fleet.verify(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_mac_is_the_one_the_key_gives_by_the_usual_way() {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&[7; 32]).unwrap();
        mac.update(CONTEXT);
        mac.update(HostId::from_u128(5).to_string().as_bytes());
        let expected = hex::encode(mac.finalize().into_bytes());
        assert!(FleetKey::new(&[7; 32]).credential(HostId::from_u128(5)).ends_with(&expected));
    }
}
