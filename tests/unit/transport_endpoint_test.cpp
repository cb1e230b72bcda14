#include <gtest/gtest.h>

#include "transport/endpoint.hpp"

namespace sluice {
namespace {

TEST(endpoint_test, is_read_and_written_the_same) {
  const std::pair<std::string, endpoint> cases[] = {
    {"tcp://host.example:4711", {"tcp", "host.example", 4711}},
    {"tcp://127.0.0.1:0", {"tcp", "127.0.0.1", 0}},
    {"tcp://[::1]:65535", {"tcp", "::1", 65535}},
    {"tcp://[fe80::1%eth0]:1", {"tcp", "fe80::1%eth0", 1}},
    {"syslog+udp://localhost:514", {"syslog+udp", "localhost", 514}},
  };
  for (const auto& [text, expected] : cases) {
    auto parsed = parse_endpoint(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, expected);
    EXPECT_EQ(to_string(*parsed), text);
  }
}

TEST(endpoint_test, errors_say_what_an_endpoint_looks_like) {
  for (auto text : {"", "host:1", "tcp:host:1", "tcp://", "://host:1", "tcp://:1", "tcp://host",
         "tcp://host:", "tcp://host:65536", "tcp://host:-1", "tcp://host:+1", "tcp://host:1x", "tcp://host:1/path",
         "tcp://::1:1", "tcp://[::1]", "tcp://[::1:1", "tcp://[]:1", "tcp://[::1]x:1", "tcp://a b:1", "tcp://u@host:1",
         "TCP://host:1", "tcp://host: 1"}) {
    auto parsed = parse_endpoint(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, errc::invalid_argument);
    EXPECT_NE(parsed.error().message.find("tcp://host:port"), std::string::npos) << parsed.error().message;
    EXPECT_NE(parsed.error().message.find(text), std::string::npos) << parsed.error().message;
  }
}

} // namespace
} // namespace sluice
