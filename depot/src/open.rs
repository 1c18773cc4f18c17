//! From an address to a store.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::OpenError;

/// An address, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Local(PathBuf),
    S3(S3Address),
}

/// `s3://bucket/prefix?region=…&endpoint=…`
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct S3Address {
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
}

pub(crate) fn parse(url: &str) -> Result<Address, OpenError> {
    let bad = |why: &str| OpenError::Url { url: url.to_owned(), why: why.to_owned() };
    let text = |part: &str| {
        let decoded = percent_decode_str(part).decode_utf8();
        decoded.map(|text| text.into_owned()).map_err(|_| bad("it is not UTF-8"))
    };
    match url.split_once("://") {
        Some(("file", path)) if path.starts_with('/') => Ok(Address::Local(text(path)?.into())),
        Some(("file", _)) => Err(bad("a directory is given as file:///absolute/path")),
        Some(("s3", rest)) => {
            let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            let (bucket, prefix) = (text(bucket)?, text(prefix.trim_matches('/'))?);
            if bucket.is_empty() {
                return Err(bad("the bucket is missing"));
            }
            let mut address = S3Address { bucket, prefix, ..S3Address::default() };
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                match pair.split_once('=') {
                    Some(("region", value)) => address.region = Some(text(value)?),
                    Some(("endpoint", value)) => {
                        let endpoint = text(value)?;
                        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
                            return Err(bad("the endpoint begins with neither https:// nor http://"));
                        }
                        address.endpoint = Some(endpoint);
                    }
                    _ => return Err(bad("after the question mark there may be region= and endpoint=")),
                }
            }
            Ok(Address::S3(address))
        }
        _ => Err(bad("it begins with neither file:// nor s3://")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(parse("file:///var/lib/a%20b").unwrap(), Address::Local("/var/lib/a b".into()));
        let s3 = |bucket: &str, prefix: &str, region: Option<&str>, endpoint: Option<&str>| {
            Address::S3(S3Address {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
                region: region.map(str::to_owned),
                endpoint: endpoint.map(str::to_owned),
            })
        };
        assert_eq!(parse("s3://b").unwrap(), s3("b", "", None, None));
        assert_eq!(
            parse("s3://b/p/q/?region=eu-1&endpoint=http://127.0.0.1:9000").unwrap(),
            s3("b", "p/q", Some("eu-1"), Some("http://127.0.0.1:9000"))
        );
        for bad in [
            "",
            "/dir",
            "file://dir",
            "s3://",
            "s3:///p",
            "s3://b?secret=x",
            "gs://b",
            "s3://b?endpoint=host",
        ] {
            assert!(matches!(parse(bad), Err(OpenError::Url { .. })), "{bad}");
        }
    }
}
