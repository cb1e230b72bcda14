#pragma once

#include <unordered_map>
#include <utility>

#include "actors/intake/record_source.hpp"
#include "messages/line_framer.hpp"

namespace sluice {

/// Bounds of what the peers of one listener send and leave incomplete.
struct framed_limits {
  std::size_t max_message_bytes = 64 * 1024;
  /// Memory for what all peers have not completed. Whoever goes beyond it has its message cut.
  std::size_t max_held_bytes = 256 * 1024 * 1024;
};

/// Finds the messages that peers send over connections and as datagrams, and cuts those that are too long. Only the
/// first piece of one may have the form of a message. Not thread-safe.
template <class Framer>
class framed_source : public record_source {
public:
  explicit framed_source(framed_limits limits) : limits_(limits) {}

  void open(peer_id peer, std::string_view) final { framer_of(peer); }

  void feed(peer_id peer, std::string_view bytes, timestamp now, const take_record& take) final {
    auto& framer = framer_of(peer);
    auto was_broken = framer.is_broken();
    auto others_bytes = held_bytes_ - framer.held_bytes();
    framer.feed(bytes, giver(now, take));
    if (others_bytes + framer.held_bytes() > limits_.max_held_bytes)
      framer.cut(giver(now, take));
    held_bytes_ = others_bytes + framer.held_bytes();
    counts_.malformed += framer.is_broken() && !was_broken;
  }

  void datagram(std::string_view message, timestamp now, const take_record& take) final {
    auto give = giver(now, take);
    auto left = message;
    for (; left.size() > limits_.max_message_bytes; left.remove_prefix(limits_.max_message_bytes))
      give({left.substr(0, limits_.max_message_bytes), left.size() == message.size(), false});
    give({left, left.size() == message.size(), true});
  }

  void close(peer_id peer, timestamp now, const take_record& take) final {
    auto found = peers_.find(peer);
    if (found == peers_.end())
      return;
    held_bytes_ -= found->second.held_bytes();
    found->second.finish(giver(now, take));
    peers_.erase(found);
  }

  void close_all(timestamp now, const take_record& take) final {
    while (!peers_.empty())
      close(peers_.begin()->first, now, take);
  }

  intake_counts take_counts() final { return std::exchange(counts_, {}); }

protected:
  /// Makes a record of a message, or of a piece of one.
  virtual void give(const framed_piece& piece, timestamp now, const take_record& take) = 0;

  intake_counts counts_;

private:
  Framer& framer_of(peer_id peer) { return peers_.try_emplace(peer, limits_.max_message_bytes).first->second; }

  auto giver(timestamp now, const take_record& take) {
    return [this, now, &take](const framed_piece& piece) {
      counts_.too_large += piece.is_first && !piece.is_last;
      give(piece, now, take);
    };
  }

  framed_limits limits_;
  std::unordered_map<peer_id, Framer> peers_;
  std::size_t held_bytes_ = 0; ///< By all framers.
};

} // namespace sluice
