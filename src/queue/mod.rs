//! Event + pictures → durable record: one log, one cursor per destination and lane.
//!
//! Promises:
//!
//! - A record that [`Queue::append`] answered is on stable storage. It comes out of every destination's cursor until that destination has
//!   answered it or a rule of the config ends it.
//! - Per destination and lane, accepted = delivered + set aside + expired + waiting, exact across restarts.
//! - Whatever happens to the bytes, the start ends in serving or in an error that names the file.
//!
//! Deliberately knows no destination but by name (and that the one called `store` settles pictures), no route, no network, and does no
//! async work in the writer.
//!
//! This is the design document. It says what lies on disk, and why; how each part does it stands in its file.
//!
//! # Folders
//!
//! Each knows only those above it (`tidy` checks it), and nothing runs in a circle:
//!
//! ```text
//! format/   the bytes of headers, indexes and slots; no IO
//! log/      the segments on disk: read, scanned, recovered, deleted; the manifest, the lock, and what the disk does not do now
//! follow/   the way out: how far each destination has come, what it gets next, and what the store says of pictures
//! append/   the way in: what waits to be written, and the writer; it asks `follow` for one thing: records that everybody has
//!           had make room for new ones
//!           here: what opens it, shows it and keeps it tidy, for all others to use
//! ```
//!
//! # On disk
//!
//! ```text
//! data_dir/
//! ├── lock                            held by the one process, with flock, as is the folder below
//! └── queue/
//!     ├── manifest                    two equal slots: format, epoch, closed properly?, destinations
//!     ├── segment-0000000017          the log, by number; the last one is being written
//!     ├── segment-0000000018
//!     ├── fresh                       a segment in the making: no name, so nothing in it
//!     ├── left-alone-segment-…        its records stand in another segment, too: for a person to look at
//!     ├── cursor-mqtt-normal          two alternating slots: positions, counts, replays
//!     ├── cursor-mqtt-urgent
//!     └── verdicts-normal             of the store: which pictures will not come
//! ```
//!
//! All numbers are little-endian. A file that is not ours is never touched; `fresh` is the one thing that is overwritten.
//!
//! ## A segment
//!
//! ```text
//!      0 ┌─────────────────────────────┐
//!        │ segment header              │  number, nonce, epoch, next write, created, counts before
//!   4096 ├─────────────────────────────┤
//!        │ the same again              │
//!   8192 ├─────────────────────────────┤  every group starts on a block of 4096
//!        │ group header         64 B   │  bytes, records, write, next sequence, urgent before, durable through
//!        │ record header       152 B   │
//!        │ event (JSON)                │
//!        │ ┄ to the next block ┄       │  only where there are pictures
//!        │ pictures, one by one        │  ← punched out once the store has passed them
//!        │ ┄ to the next block ┄       │
//!        │ record header │ event       │  without pictures: on 8 bytes, many to a block
//!        ├─────────────────────────────┤
//!        │ group …                     │
//!        ├─────────────────────────────┤
//!        │ empty group                 │  100 ms after the last one: its witness
//!        ├─────────────────────────────┤
//!        │ index: 60 B a record        │  offset, lengths, feed, lane, type, received, id, revision, digests
//!        ├─────────────────────────────┤
//!        │ trailer, the last block     │  where the index is, its CRC, counts through, newest received
//!        └─────────────────────────────┘
//!
//!  record header:  magic crc │ sequence │ urgent before │ write │ received_at │ id │ revision
//!                  feed lane type key present │ event bytes, crc │ 4 × (picture bytes, crc, digest) │ reserved
//! ```
//!
//! - **Every CRC is seeded with the segment's nonce and the offset** that it is written at. A block that a deleted segment
//!   left behind, that was copied from elsewhere, or that was sent to us by somebody who has read this page, does not validate.
//! - **Counts** are per lane and person type, of everything the log ever held; their sum and one is the next sequence. So each
//!   header that validates tells how many records stand before it in each lane: what is missing before it is known by number,
//!   even if nothing of it can be read.
//! - **`write`** numbers the attempts. What a write that was rolled back (no room) left behind has a lower number than the
//!   group that came in its place, and is passed over.
//! - **A segment is made** whole: allocate → header → sync the file → name it → sync the directory. Then a full disk shows
//!   here, and not in the middle of an event. Its file is allocated while the one before fills its second half, so that no answer waits
//!   for that. A record larger than a segment gets a segment of its own size.
//! - **It is sealed** once the next one is in use, at a proper stop, and by recovery. What is sealed takes no record again (that
//!   poisons), and no write but for holes. At a stop and in recovery the file is cut behind its trailer.
//! - **A roll is only ever completed** (`append/writer/roll.rs`), in this order: the new one is made, its name is durable, it takes the
//!   next group, the old one gets its index. A start judges a segment without an index by the header of the next. So nothing is written
//!   to the old one from the moment that the new one may have a name, and appends are refused until that name is durable. The index is
//!   written beside the writer (`append/writer/beside.rs`), which takes groups meanwhile. One that cannot be written now is written later;
//!   at most two wait for that in memory.
//!
//! # Append
//!
//! `append/intake.rs` holds what waits: urgent before real-time before history, each in turn by source, history on a budget of its own.
//! One thread (`append/writer.rs`) takes up to 4 MiB (or one record), `append/group.rs` lays it out, one `pwrite`, one `fdatasync`, then
//! everybody is answered. There is no timer: what came during one sync is the next group. The same thread finds duplicates
//! (`append/duplicates.rs`), so a duplicate of a record in the same group is answered with that group, and one of an earlier group stands
//! on synced ground.
//!
//! # What fails
//!
//! Every call goes through [`crate::system::disk`], and any of them may fail. There are three answers:
//!
//! - **full**: no room in the budget, on the disk, or for another file. Refused, until delivered records made room.
//! - **not now**: refused or put off, said once, shown in the status (`log/outages.rs`), and tried again by itself. Such is everything that
//!   says nothing of what the disk holds: no descriptor, no memory, no right, no answer to a read. So is any failure of a file that
//!   nothing answered depends on yet, or no more: a segment without a name, a deletion, a hole, a cursor's slot (a suffix repeats).
//! - **poisoned**: a failed sync of a group or of the segments' names, and a failed write of a file that holds records, unless the error
//!   says that it was never tried. The page cache may now show bytes that the disk does not have, and the next sync would say that all is
//!   well. Nothing is acknowledged any more; the process ends; the next start drops the cache of what it scans and reads the disk.
//!
//! A refused group is rolled back whole: the next one overwrites it, and a scan passes it over by its `write`. The log keeps eight
//! descriptors for when others hold all there are; the segments' directory is open for as long as the log is.
//!
//! # Torn or rotten
//!
//! A segment with a valid trailer costs two small reads at start. One without is scanned (`log/scan.rs`): from header to header, and
//! where a header does not validate, on to the next place that starts like one and does. The highest `durable_through` in any valid
//! group header divides what was synced from what was not:
//!
//! - below it, what is missing or does not validate is **rotten**: counted, alarmed, stepped over;
//! - above it, it is **torn**: a tail that nobody was told of. It is cut, unless something valid stands behind it.
//!
//! A record that validates is kept wherever it stands. A lost record keeps its sequence, as an index entry marked lost; each cursor that
//! comes by counts it as expired by the rule [`ROTTEN`]. An event that fails its CRC when it is read is treated the same way; of a
//! picture that does, the reader is told. `log/rotten.rs` counts lost records by sequence, so that each counts once for all lanes and
//! cursors.
//!
//! Segments that are gone altogether show as a gap in the counts, and are treated the same way, each type by its own count. The manifest
//! keeps which stretches were gone (`log/missing_segments.rs`): a segment that is back goes out as a replay to every destination that had counted it.
//! Of two segments that hold the same numbers the later one stays, and the other is put aside under the name `left-alone-…`, which nobody
//! reads. After a proper stop its number is not given to another segment.
//!
//! **A disk that does not answer** is neither rotten nor torn: rot is bytes that do not hold, or a file that ends too early. A file that
//! its folder lists and that is not found is such a disk, too. At the start it is an error that names the file. Later it holds those who
//! read there, and nobody else: an event holds the line of its cursor (nobody knows of which device it tells, and within one nothing may
//! overtake), a picture its device. It is said, with who waits and for which place, and the disk is asked again.
//!
//! A disk that is gone is asked for as long as it takes. **One place** that it does not read for ten minutes, while it reads the header
//! of the same file, has lost its bytes, and counts as rotten. An index that is lost that way is told by the records. Where the
//! disk does not read one of them either, it is given up after as long again, and the others tell.
//!
//! # Cursors
//!
//! A cursor (`follow/cursor.rs`, `follow/progress.rs`) has one position per person type: all records of the type up to it are answered.
//! Records answered ahead of a position are kept in memory and counted when the position gets there. So a slot always holds the counts of
//! exactly the records up to its positions, and the identity holds in it to the record. A paused type falls behind alone. Slots are
//! written at most every 100 ms (`keeper.rs`): after a crash a suffix repeats, nothing is lost. Where both slots are unreadable the
//! destination gets all that is kept of that lane again, as a replay, and joins at the end.
//!
//! A cursor that keeps up reads no disk: the newest records stay in memory (`log/segments/recent.rs`), and it wakes for those of its lane.
//!
//! A store that syncs in batches tells how much of what it wrote is durable ([`crate::system::written`]). Its slots say no more than
//! that: each waits for the sync that covers it. After a sync that failed, both of its lanes get everything since their slots again, by one
//! replay, and no slot moves before that replay is in one.
//!
//! A replay (`follow/replay.rs`) is a range that is read again through the normal cursor, behind everything live, with the id of the
//! replay on each record. It is kept in the slot and repeats only records that were answered before. What it has still to
//! deliver is outside the identity, and shown beside it (`status.rs`).
//!
//! An **errand** is a replay that an operator asked for (`handle/replays.rs`): of some records in the range, at a rate. It stands in a member
//! of the slot of its own, so that an older version forgets it and does not repeat the whole range. It keeps segments past their
//! replay window, and gives way to new records; its counts at the end tell how many it could not send.
//!
//! # Looking records up
//!
//! `inspect/search.rs` reads newest first, by time, type, device, lane or id, a page at a time. The index of a segment is asked first, and an
//! event only for its device. `handle/look.rs` does that beside a running queue: few at once, on threads of their own. A picture is found
//! by its record, or by the 32 bits of its hash that each index keeps (`handle/pictures.rs`).
//!
//! # Space
//!
//! A segment goes (`log/space.rs`) when every cursor has **durably** passed it, no replay needs it, and its replay window is over
//! (`keeper.rs`, for which errands count as well) or space is wanted (`append/make_space.rs`). Ages count by uptime; at start, by the wall clock without its jumps
//! (`crate::system::clock`). So a clock that is set deletes nothing. The newest segment always stays: it knows where the log ends. Should
//! it be lost all the same, each slot says how far the log had come, so no sequence is ever given twice.
//!
//! # Measured, and chosen by it
//!
//! On two cores with other work on them and one ext4 disk (2026-11; `benches/append.rs` compares with a plain loop that writes and
//! syncs the same bytes in as large groups): 200 KB records cost 0.02 ms of CPU more than that loop, at 0.8 to 1 of its pace
//! where the disk is the limit; 180,000 records of 500 B a second through 256 appenders. After a kill with 4 GB waiting the
//! queue is open in 0.06 s, with 500,000 small records in 0.4 s, most of which is remembering 200,000 of them as possible
//! duplicates. Pictures are not copied: `pwritev` takes them from where the request left them, and who appends has
//! computed their CRCs, so the one writer only waits for the disk.

mod append;
mod follow;
mod format;
mod growth;
mod handle;
pub mod inspect;
mod keeper;
mod log;
mod open_queue;
mod opening;
mod settings;
mod status;

pub use append::{AppendError, Appended, Entry, ON_FULL, Original};
pub use follow::{Cursor, Onward, ROTTEN, RecordState, Selection, Standing, Tally, Verdicts};
pub use handle::{Queue, ReplayReport, ReplayState, ReplayTo, SendAgain, Survey};
pub use inspect::{Page, Search};
pub use log::OpenError;
pub use settings::Settings;
pub use status::{SpaceUsed, Status, SubscriptionStatus};

pub use boxbridge_event::{Outcome, Record};
