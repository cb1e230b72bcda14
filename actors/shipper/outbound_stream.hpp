#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/interfaces.hpp"
#include "actors/shipper/stream_window.hpp"

namespace sluice {

/// What a shipper knows of one stream on its way out.
struct outbound_stream {
  stream_id id;
  stream_window window;
  id128 store{};           ///< Which store has acknowledged what the window says; zeros if none has.
  std::uint64_t epoch = 0; ///< As hello says it.
  upstream_actor upstream{};
  bool greeted = false;               ///< The receiver has said on this connection where to go on.
  bool sendable = false;              ///< Stands in the queue of those that have something to send.
  std::size_t owed = 0;               ///< Answers of the receiver that this connection waits for.
  std::optional<std::uint64_t> end{}; ///< Position where the source has ended.

  /// The source has ended, and all of it is acknowledged.
  bool is_done() const noexcept { return end && window.held().frames == 0 && window.acked().position >= *end; }
};

} // namespace sluice
