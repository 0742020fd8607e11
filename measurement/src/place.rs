//! Where something stands on the Earth, how far that is, and how long light in fibre takes. Not what a network makes of it.
//!
//! Standard: the haversine on the mean sphere (IUGG), within 0.5 % of the ellipsoid; ITU-T G.652 fibre near 1550 nm.

/// Mean radius of the Earth, IUGG.
const EARTH_RADIUS_KM: f64 = 6_371.008_8;
/// Round-trip microseconds of a kilometre of fibre, whose group index is 1.468: 100 km cost 0.979 ms there and back.
pub const FIBRE_ROUND_TRIP_US_PER_KM: f64 = 2.0 * 1.468 / 299_792.458 * 1e6;

/// Where something stands, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub latitude_deg: f64,
    /// Degrees east.
    pub longitude_deg: f64,
}

impl Place {
    /// Along the great circle.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let (from, to) = (self.latitude_deg.to_radians(), other.latitude_deg.to_radians());
        let half_latitude = (to - from) / 2.0;
        let half_longitude = (other.longitude_deg - self.longitude_deg).to_radians() / 2.0;
        let haversine = half_latitude.sin().powi(2) + from.cos() * to.cos() * half_longitude.sin().powi(2);
        2.0 * EARTH_RADIUS_KM * haversine.sqrt().min(1.0).asin()
    }
}
