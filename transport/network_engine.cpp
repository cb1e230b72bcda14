#include "transport/network_engine.hpp"

#include <chrono>

#include "transport/own_thread.hpp"

namespace sluice {

namespace {

constexpr auto stop_timeout = std::chrono::milliseconds{1'200}; // a link closes within a second

} // namespace

network_engine::network_engine(std::size_t max_large_message_bytes)
  : room{std::make_shared<large_messages>(max_large_message_bytes)}, tls{std::make_shared<tls_contexts>(io)},
    work_{io.get_executor()}, thread_{[this] { run(); }} {}

void network_engine::stop() {
  tls->stop();
  work_.reset();
  if (ended_.get_future().wait_for(stop_timeout) != std::future_status::ready)
    io.stop();
  thread_.join();
}

void network_engine::run() {
  is_own_thread = true;
  io.run();
  ended_.set_value();
}

} // namespace sluice
