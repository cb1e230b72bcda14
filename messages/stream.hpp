#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

namespace sluice {

/// Nanoseconds since 1970-01-01T00:00:00Z.
using timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// Sixteen bytes that identify something: a producer (an RFC 4122 UUID) or a source (a hash of what makes it unique).
using id128 = std::array<std::uint8_t, 16>;

/// Lower-case UUID notation (RFC 4122 section 3), also for hashes.
std::string to_string(const id128& id);

/// Names a stream: sequence numbers, positions and order hold within one.
struct stream_id {
  id128 producer{}; ///< The agent, persisted in its state folder.
  id128 source{};   ///< The source within the agent.

  friend auto operator<=>(const stream_id&, const stream_id&) = default;
};

/// `producer/source`, both in UUID notation.
std::string to_string(const stream_id& id);

/// A point in a stream that is durable, or known to be: everything up to it, inclusive.
struct stream_point {
  std::uint64_t epoch = 0;    ///< Incarnation, from 1; 0 before anything was stored.
  std::uint64_t sequence = 0; ///< Last frame's sequence; 0 for none.
  std::uint64_t position = 0; ///< Source position after that frame, in bytes.

  friend auto operator<=>(const stream_point&, const stream_point&) = default;
};

/// Shipper to receiver: go on with this stream; `last` is what the shipper knows to be acknowledged.
struct hello {
  stream_id stream;
  stream_point last;
  id128 store{}; ///< The identity of the store that has acknowledged `last`; zeros if none has, or it is not known.
  std::uint64_t epoch = 0; ///< Of the next frame that the shipper will send: no older one is stored from now on.
  friend bool operator==(const hello&, const hello&) = default;
};

/// Receiver to shipper, answering `hello`: `last` is durable here, resume after it.
struct welcome {
  stream_id stream;
  stream_point last;
  id128 store{}; ///< The identity of the store that answers; zeros if it has none.
  friend bool operator==(const welcome&, const welcome&) = default;
};

/// Receiver to shipper: everything of the stream up to `last` is durable. Cumulative.
struct ack {
  stream_id stream;
  stream_point last;
  friend bool operator==(const ack&, const ack&) = default;
};

template <class Inspector>
bool inspect(Inspector& f, stream_id& x) {
  return f.object(x).fields(f.field("producer", x.producer), f.field("source", x.source));
}

template <class Inspector>
bool inspect(Inspector& f, stream_point& x) {
  return f.object(x).fields(
    f.field("epoch", x.epoch), f.field("sequence", x.sequence), f.field("position", x.position));
}

template <class Inspector>
bool inspect(Inspector& f, hello& x) {
  return f.object(x).fields(f.field("stream", x.stream), f.field("last", x.last), f.field("store", x.store),
    f.field("epoch", x.epoch));
}

template <class Inspector>
bool inspect(Inspector& f, welcome& x) {
  return f.object(x).fields(f.field("stream", x.stream), f.field("last", x.last), f.field("store", x.store));
}

template <class Inspector>
bool inspect(Inspector& f, ack& x) {
  return f.object(x).fields(f.field("stream", x.stream), f.field("last", x.last));
}

} // namespace sluice

template <>
struct std::hash<sluice::stream_id> {
  std::size_t operator()(const sluice::stream_id& id) const noexcept {
    // Both halves are uniformly distributed already.
    std::size_t producer, source;
    std::memcpy(&producer, id.producer.data(), sizeof producer);
    std::memcpy(&source, id.source.data(), sizeof source);
    return producer ^ source;
  }
};
