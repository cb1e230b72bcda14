#include <map>
#include <random>

#include <gtest/gtest.h>

#include "transport/datagram_channel.hpp"

namespace sluice::test {
namespace {

using namespace std::chrono_literals;

using time_point = datagram_clock::time_point;

std::string numbered(std::size_t bytes) {
  std::string made;
  made.reserve(bytes + 16);
  for (std::size_t i = 0; made.size() < bytes; ++i)
    made += std::to_string(i) + ' ';
  made.resize(bytes);
  return made;
}

// -- the order of what comes ------------------------------------------------------------------------------------------

class receiver_test : public testing::Test {
protected:
  using verdict = datagram_receiver::verdict;

  verdict take(std::uint64_t number, std::string_view payload, bool is_last = false) {
    return in_.receive(number, as_bytes(payload), is_last);
  }

  std::string read(std::size_t bytes = 100) {
    std::string made(bytes, '\0');
    made.resize(in_.read(std::as_writable_bytes(std::span{made})));
    return made;
  }

  datagram_receiver in_{1'000};
};

TEST_F(receiver_test, puts_in_order_and_drops_what_comes_twice) {
  EXPECT_EQ(take(2, "b"), verdict::taken);
  EXPECT_EQ(read(), "");
  EXPECT_EQ(take(2, "b"), verdict::duplicate);
  EXPECT_EQ(take(1, "a"), verdict::taken);
  EXPECT_EQ(take(1, "a"), verdict::duplicate);
  EXPECT_EQ(in_.available(), 2u);
  EXPECT_EQ(read(), "ab");
  EXPECT_EQ(take(2, "b"), verdict::duplicate);
}

TEST_F(receiver_test, says_what_has_come) {
  take(1, "a");
  take(3, "c");
  take(66, "x");
  take(67, "beyond the bits");
  EXPECT_EQ(in_.acked(), 1u);
  EXPECT_EQ(in_.selective(), (std::uint64_t{1} << 63) | 1u);
  EXPECT_EQ(in_.gaps(), 63u);
  take(2, "b");
  EXPECT_EQ(in_.acked(), 3u);
  EXPECT_EQ(in_.gaps(), 63u) << "one that comes late is no gap";
}

TEST_F(receiver_test, holds_no_more_than_it_has_room_for) {
  std::string half(440, 'x'); // 500 with its header
  EXPECT_EQ(take(2, half), verdict::taken);
  EXPECT_EQ(take(3, half), verdict::taken);
  EXPECT_EQ(take(4, "x"), verdict::refused);
  EXPECT_EQ(take(1, "x"), verdict::refused);
  EXPECT_EQ(in_.limit_bytes(), 1'000u) << "who keeps to it never comes there";
}

TEST_F(receiver_test, room_comes_back_with_reading) {
  take(1, std::string(940, 'x'));
  EXPECT_EQ(in_.limit_bytes(), 1'000u);
  EXPECT_EQ(read(939).size(), 939u);
  EXPECT_EQ(in_.limit_bytes(), 1'000u);
  read();
  EXPECT_EQ(in_.limit_bytes(), 2'000u);
  EXPECT_EQ(take(2, std::string(940, 'x')), verdict::taken);
}

TEST_F(receiver_test, takes_no_number_that_is_far_ahead) {
  EXPECT_EQ(take(datagram_receiver::max_ahead, "x"), verdict::taken);
  EXPECT_EQ(take(datagram_receiver::max_ahead + 1, "x"), verdict::refused);
  EXPECT_EQ(take(~std::uint64_t{0}, "x"), verdict::refused);
}

TEST_F(receiver_test, ends_behind_the_last) {
  take(2, "", true);
  EXPECT_EQ(take(3, "x"), verdict::refused);
  EXPECT_FALSE(in_.at_end());
  take(1, "a");
  EXPECT_FALSE(in_.at_end());
  EXPECT_EQ(read(), "a");
  EXPECT_TRUE(in_.at_end());
}

TEST_F(receiver_test, no_last_stands_before_what_has_come) {
  take(3, "c");
  EXPECT_EQ(take(2, "b", true), verdict::refused);
}

// -- what is sent, and when -------------------------------------------------------------------------------------------

class sender_test : public testing::Test {
protected:
  static constexpr std::size_t datagram_bytes = 1'060; // 1,000 of payload

  void push(std::size_t bytes) { EXPECT_EQ(out_.push(as_bytes(std::string(bytes, 'x'))), bytes); }

  /// The numbers of all that may be sent now.
  std::vector<std::uint64_t> send() {
    std::vector<std::uint64_t> made;
    while (auto x = out_.next(now_))
      made.push_back(x->number);
    for (auto number : made)
      latest_ = std::max(latest_, number);
    return made;
  }

  bool acknowledge(std::uint64_t acked, std::uint64_t selective = 0) {
    return out_.acknowledge(acked, selective, limit_, now_);
  }

  using numbers = std::vector<std::uint64_t>;

  datagram_sender out_{datagram_bytes};
  time_point now_{1h};
  std::uint64_t limit_ = 100 * 1024 * 1024;
  std::uint64_t latest_ = 0; ///< That was sent.
};

TEST_F(sender_test, cuts_no_part_that_fits) {
  for (auto bytes : {400, 400, 400, 1'000, 2'500})
    push(static_cast<std::size_t>(bytes));
  std::vector<std::size_t> sizes;
  while (auto x = out_.next(now_))
    sizes.push_back(x->payload->size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{800, 400, 1'000, 1'000, 1'000, 500}));
}

TEST_F(sender_test, what_others_have_overtaken_is_sent_again_once) {
  push(5'000);
  EXPECT_EQ(send(), (numbers{1, 2, 3, 4, 5}));
  now_ += 1ms;
  acknowledge(0, 0b1);
  EXPECT_EQ(send(), numbers{}) << "one may come late";
  acknowledge(0, 0b111);
  EXPECT_EQ(send(), numbers{1});
  acknowledge(0, 0b1111);
  EXPECT_EQ(send(), numbers{});
}

TEST_F(sender_test, a_repetition_that_is_lost_is_repeated) {
  push(10'000);
  send();
  now_ += 1ms;
  acknowledge(0, 0b111);
  EXPECT_EQ(send(), numbers{1});
  acknowledge(0, 0b111111111);
  push(3'000);
  EXPECT_EQ(send(), (numbers{11, 12}));
  acknowledge(0, 0b11111111111);
  EXPECT_EQ(send(), (numbers{13})) << "two are not three";
  acknowledge(0, 0b111111111111);
  EXPECT_EQ(send(), numbers{1});
}

TEST_F(sender_test, the_end_of_a_burst_is_sent_again_after_a_round_trip) {
  push(2'000);
  send();
  now_ += 20ms;
  acknowledge(0, 0b1);
  EXPECT_EQ(send(), numbers{});
  now_ = out_.next_timeout();
  EXPECT_LT(now_, time_point{1h} + 50ms);
  out_.expire(now_);
  EXPECT_EQ(send(), numbers{1});
}

TEST_F(sender_test, without_any_answer_it_waits_longer_and_longer) {
  push(2'000);
  EXPECT_EQ(send(), (numbers{1, 2}));
  datagram_clock::duration waited{};
  for (int i = 0; i < 8; ++i) {
    auto at = out_.next_timeout();
    EXPECT_GE(at - now_, std::min<datagram_clock::duration>(2 * waited, round_trip::max_timeout));
    waited = at - now_;
    out_.expire(at - 1ns);
    EXPECT_EQ(send(), numbers{});
    now_ = at;
    out_.expire(now_);
    EXPECT_EQ(send(), numbers{1}) << "one datagram after a timeout";
  }
  EXPECT_EQ(waited, round_trip::max_timeout);
}

TEST_F(sender_test, the_window_doubles_until_a_loss_halves_it) {
  push(500'000);
  EXPECT_EQ(send().size(), 10u);
  now_ += 10ms;
  acknowledge(10);
  EXPECT_EQ(send().size(), 20u);
  now_ += 10ms;
  acknowledge(10, 0b111); // one is missing, three behind it have come
  auto halved = out_.window_bytes();
  EXPECT_EQ(halved, 17 * datagram_bytes / 2) << "of what is on its way";
  acknowledge(10, 0b1110111); // another of the same round trip
  EXPECT_EQ(out_.window_bytes(), halved);
  send();
  now_ += 10ms;
  acknowledge(30);
  send();
  for (std::uint64_t round = 1; round <= 3; ++round) {
    auto before = out_.window_bytes();
    now_ += 10ms;
    acknowledge(latest_);
    EXPECT_GT(out_.window_bytes(), before);
    EXPECT_LE(out_.window_bytes(), before + datagram_bytes) << "by one datagram a round trip";
    send();
  }
}

TEST_F(sender_test, after_a_pause_the_window_is_as_at_first) {
  push(100'000);
  send();
  now_ += 10ms;
  acknowledge(latest_);
  EXPECT_EQ(send().size(), 20u);
  now_ += 10ms;
  acknowledge(latest_);
  now_ += 1s;
  EXPECT_EQ(send().size(), 10u);
}

TEST_F(sender_test, keeps_to_what_the_peer_allows_and_asks_twice_a_second) {
  limit_ = 0;
  for (int i = 0; i < 100; ++i) {
    while (out_.push(as_bytes(std::string(10'000, 'x'))) > 0)
      ;
    send();
    now_ += 1ms;
    acknowledge(latest_);
  }
  EXPECT_LE(latest_ * datagram_bytes, datagram_receiver::default_room_bytes);
  EXPECT_GT((latest_ + 1) * datagram_bytes, datagram_receiver::default_room_bytes);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(out_.take_question());
    now_ = out_.next_timeout();
    out_.expire(now_);
    EXPECT_TRUE(out_.take_question());
  }
  EXPECT_GE(now_, time_point{1h} + 3 * datagram_sender::question_interval);
  limit_ = 10 * datagram_receiver::default_room_bytes;
  acknowledge(latest_);
  EXPECT_FALSE(send().empty());
}

TEST_F(sender_test, what_was_never_sent_cannot_be_acknowledged) {
  push(3'000);
  send();
  push(1'000);
  EXPECT_FALSE(acknowledge(4));
  EXPECT_FALSE(acknowledge(~std::uint64_t{0}));
  EXPECT_TRUE(acknowledge(2, ~std::uint64_t{0}));
  EXPECT_TRUE(acknowledge(0)) << "an old one, overtaken";
  EXPECT_TRUE(acknowledge(3));
}

TEST_F(sender_test, holds_no_more_than_it_may) {
  limit_ = 0;
  std::string much(100'000, 'x');
  std::size_t taken = 0;
  while (auto bytes = out_.push(as_bytes(much)))
    taken += bytes;
  EXPECT_LE(taken, datagram_sender::max_held_bytes + datagram_bytes);
  EXPECT_FALSE(out_.has_room());
}

// -- both, over a network that does what it likes ---------------------------------------------------------------------

/// Two channels in virtual time, and what is between them.
class lossy_pair {
public:
  lossy_pair(std::uint64_t seed, double loss)
    : random_{seed}, loss_{loss}, ends_{end{datagram_bytes(), now_}, end{datagram_bytes(), now_}} {
    for (auto& x : ends_)
      x.to_write = numbered(below(300'000));
    if (below(2) == 0)
      ends_[1].to_write.clear();
  }

  /// Until both have all, or one has given up. Returns whether they have all.
  bool run() {
    for (std::uint64_t step = 0; step < 3'000'000; ++step) {
      for (std::size_t i : {0, 1}) {
        work(i);
        check_bounds(ends_[i]);
      }
      if (is_done(0) && is_done(1))
        return true;
      if (!advance())
        return false;
    }
    ADD_FAILURE() << "does not end";
    return false;
  }

  std::string read_by(std::size_t i) const { return ends_[i].was_read; }
  std::string written_by(std::size_t i) const { return ends_[i].to_write; }
  std::uint64_t duplicates = 0, gaps = 0, repeated = 0;

private:
  struct end {
    end(std::size_t bytes, time_point now) : channel{1, 2, bytes, now} {}

    datagram_channel channel;
    std::string to_write;
    std::size_t written = 0;
    std::string was_read;
    bool is_reading = true;
  };

  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>{0, bound - 1}(random_);
  }
  bool happens(double chance) { return std::bernoulli_distribution{chance}(random_); }
  std::size_t datagram_bytes() { return 61 + below(2) * 4'000 + below(300); }

  bool is_done(std::size_t i) {
    return ends_[i].channel.at_end() && ends_[1 - i].was_read.size() == ends_[i].to_write.size() &&
           ends_[1 - i].channel.is_flushed();
  }

  void work(std::size_t i) {
    auto& x = ends_[i];
    auto left = std::string_view{x.to_write}.substr(x.written);
    if (!left.empty())
      x.written += x.channel.write(as_bytes(left.substr(0, 1 + below(9'000))));
    if (x.written == x.to_write.size())
      x.channel.end();
    if (happens(0.01))
      x.is_reading = !x.is_reading;
    if (x.is_reading) {
      std::array<std::byte, 7'000> room;
      auto bytes = x.channel.read(std::span{room}.first(1 + below(room.size())));
      x.was_read += as_text(std::span{room}.first(bytes));
    }
    while (auto out = x.channel.next(now_)) {
      repeated += out->is_repeated ? 1 : 0;
      transmit(1 - i, *out);
    }
  }

  void transmit(std::size_t to, const datagram_channel::outgoing& out) {
    std::string bytes{as_text(encode_datagram_head(out.head, out.payload ? out.payload->view() : byte_view{}))};
    if (out.payload)
      bytes += out.payload->text();
    for (auto copies = happens(loss_) ? 0 : 1 + (happens(loss_ / 2) ? 1 : 0); copies > 0; --copies)
      on_their_way_.emplace(
        now_ + std::chrono::microseconds{500 + below(happens(0.2) ? 50'000 : 1'000)}, std::pair{to, bytes});
  }

  /// To when something comes or has to be done.
  bool advance() {
    auto next = now_ + 20ms;
    for (auto& x : ends_)
      next = std::min(next, std::max(now_ + 100us, x.channel.next_timeout()));
    if (!on_their_way_.empty())
      next = std::min(next, on_their_way_.begin()->first);
    now_ = std::max(now_, next);
    while (!on_their_way_.empty() && on_their_way_.begin()->first <= now_) {
      auto [to, bytes] = on_their_way_.begin()->second;
      on_their_way_.erase(on_their_way_.begin());
      auto came = decode_datagram(as_bytes(bytes));
      EXPECT_TRUE(came);
      ends_[to].channel.receive(*came, now_, [this](datagram_event what, std::uint64_t times) {
        (what == datagram_event::gap ? gaps : duplicates) += times;
      });
    }
    for (auto& x : ends_) {
      x.channel.expire(now_);
      if (x.channel.is_silent(now_))
        return false;
    }
    return true;
  }

  static void check_bounds(const end& x) { ASSERT_LE(x.channel.available(), datagram_receiver::default_room_bytes); }

  std::mt19937_64 random_;
  double loss_;
  time_point now_{1h};
  std::array<end, 2> ends_;
  std::multimap<time_point, std::pair<std::size_t, std::string>> on_their_way_;
};

TEST(datagram_channel_test, everything_arrives_once_and_in_order_whatever_is_lost_doubled_and_reordered) {
  std::uint64_t whole = 0, repeated = 0, duplicates = 0, gaps = 0;
  for (std::uint64_t seed = 1; seed <= 140; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto loss = static_cast<double>(seed % 7) / 9.0; // up to two thirds
    lossy_pair pair{seed, loss};
    auto is_whole = pair.run();
    for (std::size_t i : {0, 1}) {
      if (is_whole)
        ASSERT_TRUE(pair.read_by(i) == pair.written_by(1 - i));
      else
        ASSERT_TRUE(pair.written_by(1 - i).starts_with(pair.read_by(i)));
    }
    ASSERT_TRUE(is_whole || loss > 0.3) << "given up";
    whole += is_whole ? 1 : 0;
    repeated += pair.repeated;
    duplicates += pair.duplicates;
    gaps += pair.gaps;
  }
  EXPECT_GT(whole, 70u);
  EXPECT_GT(repeated, 0u);
  EXPECT_GT(duplicates, 0u);
  EXPECT_GT(gaps, 0u);
}

TEST(datagram_channel_test, without_loss_nothing_is_repeated) {
  time_point now{1h};
  datagram_channel one{1, 2, 1'400, now}, other{1, 2, 1'400, now};
  auto data = numbered(500'000);
  std::string got;
  std::size_t written = 0;
  auto ignore = [](datagram_event, std::uint64_t) { ADD_FAILURE(); };
  auto pass = [&](datagram_channel& from, datagram_channel& to) {
    std::vector<datagram_channel::outgoing> sent;
    while (auto out = from.next(now))
      sent.push_back(*out);
    now += 1ms;
    for (auto& x : sent) {
      EXPECT_FALSE(x.is_repeated);
      to.receive({x.head, x.payload ? x.payload->view() : byte_view{}}, now, ignore);
    }
  };
  while (got.size() < data.size()) {
    written += one.write(as_bytes(std::string_view{data}.substr(written)));
    pass(one, other);
    std::array<std::byte, 50'000> room;
    auto bytes = other.read(room);
    got += as_text(std::span{room}.first(bytes));
    pass(other, one);
  }
  EXPECT_TRUE(got == data);
}

TEST(datagram_channel_test, what_has_another_token_changes_nothing) {
  time_point now{1h};
  datagram_channel channel{1, 2, 1'400, now};
  auto ignore = [](datagram_event, std::uint64_t) {};
  for (auto [connection, token] : {std::pair{1, 3}, std::pair{2, 2}}) {
    datagram_head head{.kind = datagram_kind::close,
      .connection = static_cast<std::uint64_t>(connection),
      .token = static_cast<std::uint64_t>(token)};
    channel.receive({head, {}}, now, ignore);
    head.kind = datagram_kind::data;
    head.number = 1;
    channel.receive({head, as_bytes("x")}, now, ignore);
  }
  EXPECT_FALSE(channel.is_closed());
  EXPECT_EQ(channel.available(), 0u);
  EXPECT_FALSE(channel.next(now)) << "and is not answered";
}

} // namespace
} // namespace sluice::test
