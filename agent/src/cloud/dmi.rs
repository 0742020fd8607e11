//! What the firmware says of the machine: `/sys/class/dmi/id`, which any user may read but for the serial numbers. Virtual
//! machines carry their provider's name there.

use std::fs;
use std::path::Path;

/// Where Linux shows it.
pub const DIRECTORY: &str = "/sys/class/dmi/id";
/// Longest value that is looked at.
const MAX_VALUE_BYTES: usize = 256;

/// The values that tell providers apart; empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmi {
    /// Who made the machine.
    pub sys_vendor: String,
    /// What it is called.
    pub product_name: String,
    /// Its serial number; for root only.
    pub product_serial: String,
    /// Its UUID; for root only.
    pub product_uuid: String,
    /// A tag that the provider chose.
    pub chassis_asset_tag: String,
}

impl Dmi {
    /// Reads a directory. A file that is not there, or not for this user, is an empty value.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let value = |name: &str| {
            let text = fs::read_to_string(directory.join(name)).unwrap_or_default();
            text.trim().chars().take(MAX_VALUE_BYTES).collect::<String>()
        };
        Self {
            sys_vendor: value("sys_vendor"),
            product_name: value("product_name"),
            product_serial: value("product_serial"),
            product_uuid: value("product_uuid"),
            chassis_asset_tag: value("chassis_asset_tag"),
        }
    }

    /// Whose machine it is; `None` where that is not certain. OpenStack's own names prove OpenStack and no provider.
    #[must_use]
    pub fn provider(&self) -> Option<&'static str> {
        let begins = |value: &str, with: &str| value.to_ascii_lowercase().starts_with(with);
        let vendor = self.sys_vendor.as_str();
        let product = self.product_name.as_str();
        match self.chassis_asset_tag.as_str() {
            "7783-7084-3265-9085-8269-3286-77" => return Some("azure"),
            "OracleCloud.com" => return Some("oracle"),
            "OpenTelekomCloud" => return Some("otc"),
            "HUAWEICLOUD" => return Some("huawei"),
            _ => {}
        }
        if begins(vendor, "amazon ec2")
            || begins(&self.product_uuid, "ec2")
            || begins(&self.product_serial, "ec2")
        {
            return Some("aws");
        }
        match (vendor, product) {
            (_, "Google Compute Engine") => Some("gcp"),
            (_, "Alibaba Cloud ECS") => Some("alibaba"),
            ("3DS Outscale", "3DS Outscale VM") => Some("outscale"),
            (_, product) if product.starts_with("Exoscale") => Some("exoscale"),
            ("Scaleway", _) => Some("scaleway"),
            ("Hetzner", _) => Some("hetzner"),
            ("UpCloud", _) => Some("upcloud"),
            ("Vultr", _) => Some("vultr"),
            ("Linode" | "Akamai", _) => Some("akamai"),
            ("DigitalOcean", _) => Some("digitalocean"),
            _ => None,
        }
    }
}
