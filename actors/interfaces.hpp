#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/result.hpp>
#include <caf/typed_actor.hpp>

#include "actors/type_ids.hpp"
#include "messages/batch.hpp"
#include "messages/frame.hpp"
#include "messages/label_set.hpp"
#include "messages/protocol.hpp"
#include "messages/stream.hpp"

/// Every actor's interface, and what they say to each other.
///
/// The way down, in order, each hop a message:
///   source ──chunk──▶ batcher ──batch──▶ compressor ──frame──▶ shipper ══link══▶ receiver ──frame──▶ storage writer
/// What tells of a stream's life (`open_stream`, `restart_stream`, `end_stream`, `close_stream`, `end_of_input`) travels
/// the same way between the data, so that it cannot overtake it.
///
/// The way back: storage answers each frame with an ack, the receiver sends it over the link, the shipper hands it to
/// the batcher and that to the source. An ack is also the credit: a source keeps at most `window` bytes between what it
/// has read and what is acknowledged, which bounds every mailbox and buffer of the process at once.

// One message per line:
// clang-format off

namespace sluice {

class link;
class lines_payload;

// -- what is local to a node --------------------------------------------------

/// Whole lines of one stream, as read from its source. Every record gets `time`.
struct chunk {
  stream_id stream;
  std::shared_ptr<lines_payload> lines;
  std::uint32_t record_count = 0;
  std::uint64_t position_begin = 0;
  std::uint64_t position_end = 0;
  timestamp time;
  /// How long each record is, its last line end included; nothing if every line is one.
  std::shared_ptr<const std::vector<std::uint32_t>> record_bytes{};
};

/// Records of a stream that were dropped, in place of the chunk that they would have been. Adjacent gaps of one reason
/// become one frame.
struct gap {
  stream_id stream;
  std::string reason;             ///< As docs/specs/frame.md says.
  std::uint32_t record_count = 0; ///< 0 if unknown.
  std::uint64_t position_begin = 0;
  std::uint64_t position_end = 0; ///< The range may be empty.
  timestamp first_time; ///< When the first was dropped,
  timestamp last_time;  ///< and the last.
};

/// Something happened on a link; `link` tells an old link's last words from a new one's.
struct link_event {
  struct opened {};
  struct received {
    link_message message;
    std::size_t bytes = 0; ///< Of credit that it took.
  };
  struct sent {
    std::size_t bytes = 0;
  };
  struct closed {
    error reason;
  };
  std::uint64_t link = 0;
  std::variant<opened, received, sent, closed> what;
};

/// An accepted connection on its way to the actor that will own it.
struct accepted_link {
  std::shared_ptr<std::unique_ptr<link>> connection;
  std::uint64_t listener = 0; ///< Which of the node's has accepted it.
};

} // namespace sluice

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sluice::chunk)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sluice::gap)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sluice::link_event)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(sluice::accepted_link)

namespace sluice {

// -- supervisor ---------------------------------------------------------------

/// An actor that another one has started and looks after.
struct child_status {
  std::string name;
  caf::actor handle; ///< Null while it does not run.
  std::uint64_t restarts = 0;

  template <class Inspector>
  friend bool inspect(Inspector& f, child_status& x) {
    return f.object(x).fields(f.field("name", x.name), f.field("handle", x.handle), f.field("restarts", x.restarts));
  }
};

/// A child has been started, or has ended.
struct child_change {
  std::string name;
  caf::actor handle; ///< Null if it has ended.

  template <class Inspector>
  friend bool inspect(Inspector& f, child_change& x) {
    return f.object(x).fields(f.field("name", x.name), f.field("handle", x.handle));
  }
};

/// Keeps its children running. An exit message ends them, the last one first, and then the supervisor.
using supervisor_actor = caf::typed_actor<
  /// In the order in which they are started.
  caf::result<std::vector<child_status>>(children_atom)>;

// -- source -------------------------------------------------------------------

/// What flows back up the way of a stream, from the shipper through the batcher to the source.
using upstream_actor = caf::typed_actor<
  /// Where the stream goes on: at first, and again whenever the receiver knows less than the shipper still holds.
  caf::result<void>(welcome),
  /// Everything up to here is durable: credit to read on.
  caf::result<void>(ack)>;

/// Reads what is to be shipped.
using source_actor = upstream_actor::extend<
  /// Ends every stream where it is.
  caf::result<void>(stop_atom),
  /// The errors met so far with inputs that could not be read to their end; empty if all went well.
  caf::result<std::vector<std::string>>(status_atom)>;

// -- batcher ------------------------------------------------------------------

/// A stream begins; its source hears `welcome` once the receiver has told where to go on.
struct open_stream {
  stream_id stream;
  label_set labels;
  caf::strong_actor_ptr upstream; ///< The upstream_actor before whoever gets this message.
  bool rereadable = true;         ///< Its source can read any part of it again.
  std::uint64_t begins_at = 0;    ///< If not: what lies before it was acknowledged and cannot be read again.
  std::uint64_t epoch = 0;        ///< Of the next frame. The receiver takes none of an older one once it has answered.
  stream_point acked{};           ///< What is known to be acknowledged of it.
  id128 store{};                  ///< The store that says so.

  template <class Inspector>
  friend bool inspect(Inspector& f, open_stream& x) {
    return f.object(x).fields(f.field("stream", x.stream), f.field("labels", x.labels),
                              f.field("upstream", x.upstream), f.field("rereadable", x.rereadable),
                              f.field("begins_at", x.begins_at), f.field("epoch", x.epoch),
                              f.field("acked", x.acked), f.field("store", x.store));
  }
};

/// The stream goes on after `last`. Follows what was read before all the way down to the shipper: until it has come
/// there, what comes is void, for it may seem to follow though it was read from elsewhere.
struct restart_stream {
  stream_id stream;
  stream_point last;

  template <class Inspector>
  friend bool inspect(Inspector& f, restart_stream& x) {
    return f.object(x).fields(f.field("stream", x.stream), f.field("last", x.last));
  }
};

/// The stream has ended at `position`, until its source says otherwise by restarting it.
struct end_stream {
  stream_id stream;
  std::uint64_t position = 0;

  template <class Inspector>
  friend bool inspect(Inspector& f, end_stream& x) {
    return f.object(x).fields(f.field("stream", x.stream), f.field("position", x.position));
  }
};

/// The stream has ended for good and all of it is acknowledged: it can be forgotten. Who does not know it hands this on.
struct close_stream {
  stream_id stream;

  template <class Inspector>
  friend bool inspect(Inspector& f, close_stream& x) {
    return f.object(x).fields(f.field("stream", x.stream));
  }
};

/// Joins chunks into batches by bytes, count and time.
using batcher_actor = upstream_actor::extend<
  caf::result<void>(open_stream),
  caf::result<void>(restart_stream),
  caf::result<void>(chunk),
  caf::result<void>(gap),
  /// The source has nothing more for now: no reason to hold back what there is if nothing else is on its way.
  caf::result<void>(idle_atom, stream_id),
  caf::result<void>(end_stream),
  caf::result<void>(close_stream),
  caf::result<void>(end_of_input_atom),
  /// Answered once the acks that came before it have gone on to the source.
  caf::result<void>(flush_atom)>;

// -- compressor ---------------------------------------------------------------

/// Makes frames out of batches, in the order in which they come. A transformer stands before it and looks like it.
using compressor_actor = caf::typed_actor<
  caf::result<void>(open_stream),
  caf::result<void>(restart_stream),
  caf::result<void>(batch),
  caf::result<void>(end_stream),
  caf::result<void>(close_stream),
  caf::result<void>(end_of_input_atom)>;

// -- shipper ------------------------------------------------------------------

/// Where a spool stands.
struct spool_status {
  std::string folder;                ///< Empty if there is no spool.
  std::uint64_t written_records = 0; ///< Made durable since the start.
  std::uint64_t written_bytes = 0;   ///< Of the sources.
  std::uint64_t waiting_records = 0; ///< On disk, and not acknowledged as far as the receiver has told.
  std::uint64_t waiting_bytes = 0;   ///< Of the sources.
  std::uint64_t queued_records = 0;  ///< Not on disk yet.
  std::uint64_t queued_bytes = 0;    ///< Of the sources.
  std::uint64_t disk_bytes = 0;

  template <class Inspector>
  friend bool inspect(Inspector& f, spool_status& x) {
    return f.object(x).fields(
      f.field("folder", x.folder), f.field("written_records", x.written_records),
      f.field("written_bytes", x.written_bytes), f.field("waiting_records", x.waiting_records),
      f.field("waiting_bytes", x.waiting_bytes), f.field("queued_records", x.queued_records),
      f.field("queued_bytes", x.queued_bytes), f.field("disk_bytes", x.disk_bytes));
  }
};

/// Where a shipper stands.
struct ship_status {
  std::string state;          ///< Name of the state, as in the log.
  bool was_connected = false; ///< Whether a receiver has ever answered.
  std::uint64_t streams = 0;
  std::uint64_t acked_records = 0;
  std::uint64_t acked_bytes = 0;     ///< Of the sources.
  std::uint64_t sent_bytes = 0;      ///< Frames, resent ones included.
  std::uint64_t pending_streams = 0; ///< With frames that are made and not acknowledged.
  std::uint64_t pending_frames = 0;
  std::uint64_t pending_records = 0;
  std::uint64_t pending_bytes = 0; ///< Of the sources.
  error last_error{};
  spool_status spool{};

  template <class Inspector>
  friend bool inspect(Inspector& f, ship_status& x) {
    return f.object(x).fields(f.field("state", x.state), f.field("was_connected", x.was_connected),
      f.field("streams", x.streams), f.field("acked_records", x.acked_records), f.field("acked_bytes", x.acked_bytes),
      f.field("sent_bytes", x.sent_bytes), f.field("pending_streams", x.pending_streams),
      f.field("pending_frames", x.pending_frames), f.field("pending_records", x.pending_records),
      f.field("pending_bytes", x.pending_bytes), f.field("last_error", x.last_error), f.field("spool", x.spool));
  }
};

/// Takes ready frames and holds them until they are acknowledged.
using downstream_actor = caf::typed_actor<
  caf::result<void>(open_stream),
  caf::result<void>(restart_stream),
  caf::result<void>(frame),
  caf::result<void>(end_stream),
  caf::result<void>(close_stream),
  caf::result<void>(end_of_input_atom),
  caf::result<ship_status>(status_atom),
  /// Answered once the input has ended and all of it is acknowledged, or when the shipper gives up.
  caf::result<ship_status>(drain_atom)>;

/// Brings frames to a receiver.
using shipper_actor = downstream_actor::extend<
  caf::result<void>(link_event)>;

/// Keeps frames on disk on their way to a shipper, for which it is what is upstream.
using spool_actor = downstream_actor::extend<
  caf::result<void>(welcome),
  caf::result<void>(ack),
  /// Answered once the input has ended and all of it is on disk.
  caf::result<void>(flush_atom)>;

// -- ship pipeline ------------------------------------------------------------

/// How shipping goes, over all restarts.
struct ship_report {
  ship_status status;
  std::vector<std::string> source_errors; ///< As a source reports them.

  template <class Inspector>
  friend bool inspect(Inspector& f, ship_report& x) {
    return f.object(x).fields(f.field("status", x.status), f.field("source_errors", x.source_errors));
  }
};

/// The supervised actors between sources and a receiver, seen as one. Ends with errc::actor_failed when its supervisor
/// gives up. An exit message ends all of them.
using ship_pipeline_actor = caf::typed_actor<
  caf::result<ship_report>(status_atom),
  /// As a shipper answers it, whichever shipper that is in the end.
  caf::result<ship_report>(drain_atom),
  /// Nothing more is read, also after a restart.
  caf::result<void>(stop_atom),
  /// As a spool answers it; at once if there is none.
  caf::result<void>(flush_atom),
  caf::result<std::vector<child_status>>(children_atom),
  caf::result<void>(child_change)>;

// -- receiver -----------------------------------------------------------------

/// Owns one connection: hands its frames to storage and the acks back.
using receiver_actor = caf::typed_actor<
  caf::result<void>(link_event),
  /// Takes nothing more, waits for what storage has, and ends.
  caf::result<void>(stop_atom)>;

/// Makes a receiver for every connection that a listener accepts.
using acceptor_actor = caf::typed_actor<
  caf::result<void>(accepted_link),
  /// Stops the receivers of one listener.
  caf::result<void>(stop_atom, std::uint64_t),
  /// Its receivers.
  caf::result<std::vector<child_status>>(children_atom),
  /// Answered when the last receiver has ended.
  caf::result<void>(drain_atom)>;

// -- storage writer -----------------------------------------------------------

/// Writes frames to disk, once each, and answers when they are durable.
using storage_writer_actor = caf::typed_actor<
  /// Where a stream goes on.
  caf::result<welcome>(hello),
  /// Fails with an `errc` error if the frame is refused or could not be made durable.
  caf::result<ack>(frame),
  /// Stores what waits, closes the store, and ends.
  caf::result<void>(drain_atom)>;

// -- receive pipeline ---------------------------------------------------------

/// The supervised actors between listeners and a store, seen as one. Ends with errc::actor_failed when its supervisor
/// gives up.
using receive_pipeline_actor = caf::typed_actor<
  /// Goes to the present acceptor; closed if there is none.
  caf::result<void>(accepted_link),
  /// Likewise; what of it waits for an acceptor is closed.
  caf::result<void>(stop_atom, std::uint64_t),
  /// Answered once all that storage has taken is answered and the store is closed; it ends then.
  caf::result<void>(drain_atom),
  caf::result<std::vector<child_status>>(children_atom),
  caf::result<void>(child_change)>;

// -- stats aggregator ---------------------------------------------------------

/// One metric of one component at one moment.
struct metric_sample {
  std::string name; ///< As in docs/specs/metrics.md.
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;

  template <class Inspector>
  friend bool inspect(Inspector& f, metric_sample& x) {
    return f.object(x).fields(f.field("name", x.name), f.field("labels", x.labels),
                              f.field("value", x.value));
  }
};

struct stats_snapshot {
  timestamp time;
  std::vector<metric_sample> samples;

  template <class Inspector>
  friend bool inspect(Inspector& f, stats_snapshot& x) {
    return f.object(x).fields(f.field("time", x.time), f.field("samples", x.samples));
  }
};

/// Gathers the metrics of all components of the node.
using stats_actor = caf::typed_actor<
  caf::result<stats_snapshot>(status_atom),
  caf::result<void>(stop_atom)>;

} // namespace sluice
