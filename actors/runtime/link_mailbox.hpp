#pragma once

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "actors/interfaces.hpp"
#include "transport/network.hpp"

namespace sluice {

/// Turns what happens on a link into `link_event` messages for its owner. The credit that the owner grants bounds
/// what can be in its mailbox.
template <class Actor>
class link_mailbox : public link_handler {
public:
  /// `number` marks the events, so that the owner can tell those of an earlier link.
  link_mailbox(Actor owner, std::uint64_t number) : owner_(std::move(owner)), number_(number) {}

  void on_open() override { tell(link_event::opened{}); }

  void on_message(link_message message, std::size_t credit) override {
    tell(link_event::received{std::move(message), credit});
  }

  void on_sent(std::size_t bytes) override { tell(link_event::sent{bytes}); }

  void on_closed(error reason) override { tell(link_event::closed{std::move(reason)}); }

private:
  template <class Event>
  void tell(Event event) {
    caf::anon_send(owner_, link_event{number_, std::move(event)});
  }

  Actor owner_;
  std::uint64_t number_;
};

} // namespace sluice
