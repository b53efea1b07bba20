//! A real haproxy on a free port: before one gateway, where it says who is behind it in the way the test asks for, or before several, as
//! `config/compose/haproxy.cfg` has it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::parts::child::{Child, PATIENCE, free_port, listens};

/// As Debian has it.
const EXECUTABLE: &str = "/usr/sbin/haproxy";

/// That of docker-compose.cluster.yml.
const SHIPPED: &str = include_str!("../../../../config/compose/haproxy.cfg");

pub struct Haproxy {
    child: Child,
    _directory: tempfile::TempDir,
    pub address: SocketAddr,
}

/// How it says who is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// A header line of its own, after those that the client wrote.
    XForwardedFor,
    Forwarded,
    /// Bytes are passed on unread.
    ProxyV1,
    ProxyV2,
    /// As an encrypting proxy or a cloud's balancer does.
    ProxyV2WithTlvs,
    Nothing,
}

impl Haproxy {
    /// Before `gateway`, which sees its connections come from `source`; it checks the gateway's health as well.
    pub fn start(gateway: SocketAddr, source: Ipv4Addr, says: Says) -> Haproxy {
        let directory = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (mode, frontend, server) = match says {
            Says::XForwardedFor => ("http", "option forwardfor", ""),
            Says::Forwarded => ("http", "http-request add-header Forwarded for=%[src]", ""),
            Says::ProxyV1 => ("tcp", "", "send-proxy"),
            Says::ProxyV2 => ("tcp", "", "send-proxy-v2"),
            Says::ProxyV2WithTlvs => (
                "tcp",
                "unique-id-format %ci",
                "send-proxy-v2 proxy-v2-options unique-id,crc32c",
            ),
            Says::Nothing => ("http", "", ""),
        };
        let config = format!(
            "global\n log stdout format raw local0\ndefaults\n log global\n option log-health-checks\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n mode {mode}\n\
             listen boxes\n bind {address}\n {frontend}\n source {source}\n server gateway {gateway} check inter 200ms {server}\n"
        );
        Haproxy::run(directory, address, &config)
    }

    /// The shipped settings, with these gateways' addresses for boxes and for health in place of their names.
    pub fn before(gateways: &[(SocketAddr, SocketAddr)]) -> Haproxy {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let config = SHIPPED
            .replace("bind :9528", &format!("bind {address}"))
            .replace("bind :8404", &format!("bind 127.0.0.1:{}", free_port()));
        let line = |(number, (ingest, admin)): (usize, &(SocketAddr, SocketAddr))| {
            format!(
                "    server gateway-{number} {ingest} port {}\n",
                admin.port()
            )
        };
        let servers: String = (1..).zip(gateways).map(line).collect();
        let config = with_servers(&config, &servers);
        Haproxy::run(tempfile::tempdir().unwrap(), address, &config)
    }

    fn run(directory: tempfile::TempDir, address: SocketAddr, config: &str) -> Haproxy {
        let file = directory.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(EXECUTABLE);
        command
            .args(["-db", "-f"])
            .arg(&file)
            .current_dir(directory.path());
        let mut child = Child::start(&command, &directory.path().join("log"));
        child.wait_until("haproxy", PATIENCE, || listens(address.port()));
        Haproxy {
            child,
            _directory: directory,
            address,
        }
    }

    /// Whether it has found the gateway well.
    pub fn has_checked(&self) -> bool {
        self.child
            .log_end()
            .contains("Health check for server boxes/gateway succeeded")
    }
}

/// These lines in place of the shipped ones.
fn with_servers(config: &str, servers: &str) -> String {
    let (before, shipped) = config.split_once("    server ").expect("servers");
    let (_, after) = shipped.split_once("\n\n").expect("what follows them");
    format!("{before}{servers}\n{after}")
}
