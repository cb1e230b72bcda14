#pragma once

#include <future>
#include <memory>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "transport/datagram_slots.hpp"
#include "transport/datagram_tally.hpp"
#include "transport/link_connection.hpp"
#include "transport/listening_sockets.hpp"
#include "transport/tls_contexts.hpp"

namespace sluice {

/// The io_context of a network and the one thread that runs it.
class network_engine {
public:
  explicit network_engine(std::size_t max_large_message_bytes);

  /// Waits for links to send what they still hold, about a second at most. Not from the engine's thread.
  void stop();

  datagram_slots slots; ///< Of all sockets: what one reads is dealt with before the next reads.
  datagram_tally datagrams;
  boost::asio::io_context io{1}; ///< Ends before these, for what it holds uses them.
  const std::shared_ptr<large_messages> room;
  const std::shared_ptr<tls_contexts> tls;
  listening_sockets listening;

private:
  void run();

  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::promise<void> ended_;
  std::thread thread_;
};

} // namespace sluice
