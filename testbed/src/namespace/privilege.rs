//! The right to make namespaces and TUN devices: as root directly, otherwise through a user namespace.
//!
//! Call [`acquire`] first thing in the process: the kernel refuses a user namespace to a process with threads.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// How the process got the right to make a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// We are root.
    Root,
    /// We are an ordinary user, root only inside our own user namespace.
    UserNamespace,
}

/// Why the process may not make a world, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// `/dev/net/tun` is missing or closed to us.
    #[error(
        "cannot open /dev/net/tun: {0}. Run as root (`sudo azimuth-testbed ...`); or load the driver (`sudo modprobe tun`) and open the device to users (`sudo chmod 0666 /dev/net/tun`), which gives nobody rights outside namespaces of their own"
    )]
    Tun(io::Error),
    /// The kernel refuses user namespaces to ordinary users.
    #[error(
        "not root, and the kernel refuses a user namespace: {0}. Run as root (`sudo azimuth-testbed ...`), or allow user namespaces (`sudo sysctl -w user.max_user_namespaces=10000`, on Debian also `kernel.unprivileged_userns_clone=1`, on Ubuntu `kernel.apparmor_restrict_unprivileged_userns=0`)"
    )]
    UserNamespace(io::Error),
    /// The user namespace was made but our ids could not be mapped into it.
    #[error(
        "cannot write {path} of the new user namespace: {source}. Run as root (`sudo azimuth-testbed ...`)"
    )]
    Map {
        /// The file under /proc/self.
        path: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The network namespace was refused although we are root (a container without CAP_SYS_ADMIN).
    #[error(
        "root, but the kernel refuses a network namespace: {0}. In a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN and the device /dev/net/tun (`docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun`)"
    )]
    NetworkNamespace(io::Error),
}

/// Gets the right to make namespaces and TUN devices, by a user namespace when we are not root.
///
/// # Errors
/// [`PrivilegeError`], each with the remedy in its text.
pub fn acquire() -> Result<Privilege, PrivilegeError> {
    open_tun(Path::new("/dev/net/tun")).map_err(PrivilegeError::Tun)?;
    let privilege = if geteuid().is_root() {
        Privilege::Root
    } else {
        enter_user_namespace()?
    };
    probe_network_namespace().map_err(PrivilegeError::NetworkNamespace)?;
    Ok(privilege)
}

fn open_tun(path: &Path) -> io::Result<()> {
    File::options().read(true).write(true).open(path).map(drop)
}

fn enter_user_namespace() -> Result<Privilege, PrivilegeError> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| PrivilegeError::UserNamespace(errno.into()))?;
    // Order matters: without `deny` in setgroups the kernel refuses an unprivileged gid_map (user_namespaces(7)).
    for (path, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        std::fs::write(path, text).map_err(|source| PrivilegeError::Map { path, source })?;
    }
    Ok(Privilege::UserNamespace)
}

/// Tries on a thread that ends at once; the namespace goes with it.
fn probe_network_namespace() -> io::Result<()> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from))
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the probing thread died")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_the_way_out() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        for error in [
            PrivilegeError::Tun(denied()),
            PrivilegeError::UserNamespace(denied()),
            PrivilegeError::Map {
                path: "/proc/self/uid_map",
                source: denied(),
            },
        ] {
            assert!(error.to_string().contains("Run as root"), "{error}");
        }
        assert!(
            PrivilegeError::NetworkNamespace(denied())
                .to_string()
                .contains("CAP_SYS_ADMIN")
        );
    }

    #[test]
    fn a_missing_device_is_an_error_not_a_panic() {
        assert!(open_tun(Path::new("/dev/net/no-such-tun")).is_err());
    }
}
