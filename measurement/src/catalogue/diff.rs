//! What one catalogue has that another has not, by key: what a user's own file adds, changes and hides. Pure.

use super::Catalogue;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It is gone.
    Hidden,
}

impl Change {
    /// The one spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Hidden => "hidden",
        }
    }
}

/// One row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What became of it.
    pub change: Change,
    /// `provider`, `zone` or `endpoint`.
    pub kind: &'static str,
    /// Its key, as people write it.
    pub key: String,
}

/// From `before` to `after`: providers, then zones, then endpoints, each in the order written, what is gone last.
pub fn diff(before: &Catalogue, after: &Catalogue) -> Vec<Difference> {
    let mut all = rows("provider", before.providers(), after.providers(), |row| {
        row.id.clone()
    });
    all.extend(rows("zone", before.zones(), after.zones(), |row| {
        row.key.to_string()
    }));
    all.extend(rows("endpoint", before.endpoints(), after.endpoints(), |row| {
        format!("{}/{} {}:{}", row.provider, row.region, row.host, row.port)
    }));
    all
}

fn rows<T: PartialEq>(
    kind: &'static str,
    before: &[T],
    after: &[T],
    key: impl Fn(&T) -> String,
) -> Vec<Difference> {
    let keyed = |rows: &[T]| -> Vec<String> { rows.iter().map(&key).collect() };
    let (old, new) = (keyed(before), keyed(after));
    let difference = |change, key: &String| Difference {
        change,
        kind,
        key: key.clone(),
    };
    let mut all = Vec::new();
    for (row, key) in after.iter().zip(&new) {
        match old.iter().zip(before).find(|(known, _)| *known == key) {
            None => all.push(difference(Change::Added, key)),
            Some((_, was)) if was != row => all.push(difference(Change::Changed, key)),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|key| !new.contains(key));
    all.extend(gone.map(|key| difference(Change::Hidden, key)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_other_or_gone_is_named_once() {
        let built_in = Catalogue::built_in();
        assert_eq!(diff(&built_in, &built_in), []);
        let own = built_in
            .clone()
            .overlaid(
                "[[provider]]\nid = \"mine\"\nname = \"M\"\n[[endpoint]]\nprovider = \"aws\"\nregion = \"eu-west-3\"\n\
                 host = \"ec2.eu-west-3.amazonaws.com\"\nport = 443\nhidden = true\n[[endpoint]]\nprovider = \"aws\"\n\
                 region = \"eu-west-3\"\nhost = \"dynamodb.eu-west-3.amazonaws.com\"\nport = 443\ngranularity = \"region\"\n\
                 methods = [\"tcp_connect\"]\nleast_period_ms = 60000\n",
            )
            .unwrap();
        let told: Vec<_> = diff(&built_in, &own)
            .into_iter()
            .map(|row| format!("{} {} {}", row.change.as_str(), row.kind, row.key))
            .collect();
        assert_eq!(
            told,
            [
                "added provider mine",
                "changed endpoint aws/eu-west-3 dynamodb.eu-west-3.amazonaws.com:443",
                "hidden endpoint aws/eu-west-3 ec2.eu-west-3.amazonaws.com:443",
            ]
        );
    }
}
