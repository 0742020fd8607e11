//! The sockets that outlive a reload: bound once, handed to each round of serving as a copy, so that who connects meanwhile
//! waits in the queue and is not refused. Binds and copies; accepting is `serve.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::net::{TcpListener, UnixListener};

use super::{Listeners, bind_unix};
use crate::config::Config;

/// Every socket that is listened on.
#[derive(Debug)]
pub struct Doors {
    asked: SocketAddr,
    tcp: std::net::TcpListener,
    /// Where TCP is listened on, with the port that the system chose.
    pub address: SocketAddr,
    unix: Option<(std::os::unix::net::UnixListener, PathBuf)>,
}

impl Doors {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// When an address or a path is taken, or the system refuses.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let (tcp, address) = open_tcp(config.listen).await?;
        let unix = match &config.unix_socket {
            None => None,
            Some(path) => Some((open_unix(path.clone()).await?, path.clone())),
        };
        Ok(Self {
            asked: config.listen,
            tcp,
            address,
            unix,
        })
    }

    /// Binds what another configuration names beyond this; what it no longer names is closed. All or nothing.
    ///
    /// # Errors
    /// As [`open`](Self::open); then nothing has changed.
    pub async fn change(&mut self, config: &Config) -> anyhow::Result<()> {
        let tcp = if config.listen == self.asked {
            None
        } else {
            Some(open_tcp(config.listen).await?)
        };
        let same = self.unix.as_ref().map(|(_, path)| path) == config.unix_socket.as_ref();
        let unix = match &config.unix_socket {
            Some(path) if !same => Some((open_unix(path.clone()).await?, path.clone())),
            _ => None,
        };
        if let Some((tcp, address)) = tcp {
            (self.asked, self.tcp, self.address) = (config.listen, tcp, address);
        }
        if !same {
            self.remove_path();
            self.unix = unix;
        }
        Ok(())
    }

    /// Copies of all of them, for a round of serving.
    ///
    /// # Errors
    /// When the system gives no more file descriptors.
    pub fn listeners(&self) -> anyhow::Result<Listeners> {
        let copied = || -> std::io::Result<Listeners> {
            let unix = self.unix.as_ref();
            let unix = unix.map(|(listener, _)| UnixListener::from_std(listener.try_clone()?));
            Ok(Listeners {
                tcp: TcpListener::from_std(self.tcp.try_clone()?)?,
                unix: unix.transpose()?,
                tls: None,
            })
        };
        copied().context("cannot copy a listening socket; is the limit on open files reached (`ulimit -n`)?")
    }

    /// The unix socket, if there is one.
    pub fn unix_path(&self) -> Option<&PathBuf> {
        self.unix.as_ref().map(|(_, path)| path)
    }

    fn remove_path(&self) {
        if let Some(path) = self.unix_path()
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.remove_path();
    }
}

async fn open_tcp(at: SocketAddr) -> anyhow::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at)
        .await
        .with_context(|| format!("cannot listen on {at}; is another collector running?"))?;
    let address = listener
        .local_addr()
        .context("cannot learn the address listened on")?;
    Ok((listener.into_std()?, address))
}

async fn open_unix(path: PathBuf) -> anyhow::Result<std::os::unix::net::UnixListener> {
    let listener = bind_unix(&path)
        .await
        .with_context(|| format!("cannot listen on unix socket {}", path.display()))?;
    Ok(listener.into_std()?)
}
