//! `[admin]`: the second listener.

use std::net::SocketAddr;

use crate::reader::Reader;
use crate::reader::effect::LISTENS;

#[derive(Clone, Debug)]
pub struct Admin {
    pub listen: SocketAddr,
}

impl Admin {
    pub(crate) fn read(read: &mut Reader) -> Admin {
        Admin {
            listen: read.by_restart(LISTENS).address("admin.listen"),
        }
    }
}
