//! Ways into a broker beside the open one: those who come say who they are, or the broker shows a certificate that nobody should trust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{PASSWORD, USER};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::child::free_port;

/// Their names, as Kafka's settings have them too, and what is spoken there.
const WAYS: [(&str, &str); 8] = [
    // SCRAM alone: a password in the clear is asked for nowhere.
    ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
    ("SASL_SSL", "SASL_SSL"),
    // For who has a token, signed by anybody.
    ("TOKEN", "SASL_PLAINTEXT"),
    ("SSL", "SSL"),
    // It asks for a certificate.
    ("MUTUAL", "SSL"),
    // These show one that is over, another host's, and one that no authority has signed.
    ("EXPIRED", "SSL"),
    ("ELSEWHERE", "SSL"),
    ("SELF_SIGNED", "SSL"),
];

/// A client without a certificate has no name on the TLS way, and may do everything, as on the open way.
const SUPER_USERS: &str = "User:ANONYMOUS;User:boxbridge;User:CN=boxbridge client";

pub struct Ways {
    pub certificates: Certificates,
    ports: BTreeMap<&'static str, u16>,
    expired: (PathBuf, PathBuf),
    elsewhere: (PathBuf, PathBuf),
    self_signed: (PathBuf, PathBuf),
}

impl Ways {
    pub fn make() -> Ways {
        let certificates = Certificates::make();
        let wanted = |name, usage, holds| Wanted {
            name,
            subject: "/CN=broker",
            usage,
            holds,
        };
        let day = std::time::Duration::from_secs(24 * 3600);

        Ways {
            ports: WAYS.map(|(name, _)| (name, free_port())).into(),
            expired: certificates.sign(&wanted("expired", "server", None)),
            elsewhere: certificates.sign(&wanted("elsewhere", "elsewhere", Some(day))),
            self_signed: certificates.self_signed(),
            certificates,
        }
    }

    pub fn address(&self, way: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[way]).into()
    }

    /// The authority of the way that has a certificate of its own.
    pub fn self_signed(&self) -> &Path {
        &self.self_signed.0
    }

    pub fn add_to(&self, settings: &mut BTreeMap<String, String>, directory: &Path) {
        for (way, protocol) in WAYS {
            let listener = format!(",{way}://{}", self.address(way));
            settings.get_mut("listeners").unwrap().push_str(&listener);
            let protocols = settings.get_mut("listener.security.protocol.map").unwrap();
            write!(protocols, ",{way}:{protocol}").unwrap();
        }

        let mut set = |key: &str, value: &str| settings.insert(key.to_owned(), value.to_owned());
        set("super.users", SUPER_USERS);
        set(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        );
        set(
            "sasl.enabled.mechanisms",
            "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        );
        set(
            "listener.name.sasl_plaintext.sasl.enabled.mechanisms",
            "SCRAM-SHA-256,SCRAM-SHA-512",
        );
        set("listener.name.token.sasl.enabled.mechanisms", "OAUTHBEARER");
        set(
            "listener.name.token.oauthbearer.sasl.jaas.config",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";",
        );
        for listener in ["sasl_plaintext", "sasl_ssl"] {
            let module = "org.apache.kafka.common.security";
            let plain = format!(
                "{module}.plain.PlainLoginModule required username=\"{USER}\" password=\"{PASSWORD}\" user_{USER}=\"{PASSWORD}\";"
            );
            let scram = format!("{module}.scram.ScramLoginModule required;");
            for (mechanism, jaas) in [
                ("plain", &plain),
                ("scram-sha-256", &scram),
                ("scram-sha-512", &scram),
            ] {
                let key = format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
                set(&key, jaas);
            }
        }

        set("ssl.keystore.type", "PEM");
        let stores = [
            ("", &self.certificates.server()),
            ("listener.name.expired.", &self.expired),
            ("listener.name.elsewhere.", &self.elsewhere),
            ("listener.name.self_signed.", &self.self_signed),
        ];
        for (prefix, (certificate, key)) in stores {
            let text = [key, certificate].map(|file| std::fs::read_to_string(file).unwrap());
            let store = directory.join(format!("{prefix}keystore.pem"));
            std::fs::write(&store, text.concat()).unwrap();
            let store = store.display().to_string();
            set(&format!("{prefix}ssl.keystore.location"), &store);
        }

        let authority = self.certificates.authority().display().to_string();
        set("listener.name.mutual.ssl.client.auth", "required");
        set("listener.name.mutual.ssl.truststore.type", "PEM");
        set("listener.name.mutual.ssl.truststore.location", &authority);
    }
}
