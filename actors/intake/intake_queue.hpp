#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "transport/intake.hpp"

namespace sluice {

/// What has come from the peers of a listener and was not looked at yet. It outlives the actor that looks, so that
/// nothing is lost between two of them; the listener's credit bounds it. Thread-safe.
class intake_queue final : public byte_handler, public datagram_handler {
public:
  struct refused {
    std::string name;
    error reason;
  };
  struct opened {
    peer_id peer;
    std::string name;
  };
  struct bytes {
    peer_id peer;
    buffer content;
    std::size_t credit;
  };
  struct closed {
    peer_id peer;
    std::optional<error> reason;
  };
  struct datagrams {
    datagram_block block;
    std::size_t credit;
  };
  struct dropped {
    std::uint64_t datagrams;
  };
  struct finished {};
  using event = std::variant<refused, opened, bytes, closed, datagrams, dropped, finished>;

  void on_refused(const std::string& name, error reason) override { push(refused{name, std::move(reason)}); }
  void on_opened(peer_id peer, const std::string& name) override { push(opened{peer, name}); }
  void on_bytes(peer_id peer, buffer content, std::size_t credit) override {
    push(bytes{peer, std::move(content), credit});
  }
  void on_closed(peer_id peer, std::optional<error> reason) override { push(closed{peer, std::move(reason)}); }
  void on_datagrams(datagram_block block, std::size_t credit) override { push(datagrams{std::move(block), credit}); }
  void on_dropped(std::uint64_t count) override { push(dropped{count}); }
  void on_finished() override { push(finished{}); }

  /// Calls `wake` when something comes after nothing was there, and at once if something is.
  void attach(std::function<void()> wake) {
    std::lock_guard guard{mutex_};
    wake_ = std::move(wake);
    if (!events_.empty())
      wake_();
  }

  /// Everything, in order.
  std::vector<event> take() {
    std::lock_guard guard{mutex_};
    return std::exchange(events_, {});
  }

private:
  void push(event x) {
    std::lock_guard guard{mutex_};
    events_.push_back(std::move(x));
    if (events_.size() == 1 && wake_)
      wake_();
  }

  std::mutex mutex_;
  std::vector<event> events_;
  std::function<void()> wake_;
};

} // namespace sluice
