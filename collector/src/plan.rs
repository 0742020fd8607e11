//! What the fleet is to measure: the plan, written by selectors in one file, and what it comes to for each agent. Not who may
//! report (that is [`crate::fleet`]), and not what of it an agent does: every agent holds it against a policy of its own.
//!
//! | room | what it does |
//! |---|---|
//! | [`file`] | the file: its entries, what they choose from the catalogue, and what is wrong with them, by line (pure but for reading) |
//! | [`agents`] | choosing agents by what is known of them (pure) |
//! | [`expand`] | from entries and one agent to what that agent is to measure (pure) |
//! | [`reflectors`] | reflectors of one's own, where their hosts say that they stand (pure) |
//! | [`desk`] | which version it is, whether everything is stopped, and the signed plan of each agent |
//! | [`admin`] | the same for the command line |

pub mod admin;
pub mod agents;
pub mod desk;
pub mod expand;
pub mod file;
pub mod reflectors;
