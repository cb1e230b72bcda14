#include <array>

#include <boost/asio/io_context.hpp>
#include <fcntl.h>

#include "tests/unit/transport_support.hpp"
#include "transport/lane_socket.hpp"
#include "transport/tls_context.hpp"

namespace sluice::test {

// The session wrote its records to whatever had got the number of the socket in the meantime.
TEST(lane_socket_test, a_closed_one_leaves_alone_who_has_its_number_now) {
  raw_socket server;
  auto port = server.listen();
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket client{io};
  client.connect({boost::asio::ip::address_v4::loopback(), port});
  auto number = client.native_handle();
  auto context = tls_context::open({}, tls_side::client).value();
  lane_socket socket{std::move(client)};
  socket.begin();
  ASSERT_TRUE(socket.secure(*context, "localhost"));
  socket.close();

  std::array<int, 2> pair;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
  raw_socket near{pair[0]}, far{pair[1]};
  std::unique_ptr<raw_socket> stranger;
  if (near.number() != number) {
    ASSERT_EQ(::fcntl(near.number(), F_DUPFD, number), number);
    stranger = std::make_unique<raw_socket>(number);
  }
  ASSERT_TRUE(far.send("for the stranger"));

  std::array<std::byte, 16> room;
  boost::asio::const_buffer text{"secret", 6};
  EXPECT_TRUE(socket.handshake_now().failure);
  EXPECT_TRUE(socket.write_now({&text, 1}).failure);
  EXPECT_TRUE(socket.read_now(room).failure);
  socket.shutdown_send();
  EXPECT_EQ(socket.available(), 0u);
  EXPECT_EQ(::recv(far.number(), room.data(), room.size(), 0), -1) << "something was written, or the end";
  EXPECT_EQ(::recv(near.number(), room.data(), room.size(), 0), 16) << "something was read";
}

} // namespace sluice::test
