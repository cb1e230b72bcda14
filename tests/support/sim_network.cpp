#include "tests/support/sim_network.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include "tests/support/sim_connection.hpp"
#include "tests/support/sim_http.hpp"
#include "tests/support/sim_intake.hpp"

namespace sluice::test {

namespace {

class sim_link : public link {
public:
  sim_link(std::shared_ptr<sim_connection> connection, int side) : connection_(std::move(connection)), side_(side) {}
  ~sim_link() override { connection_->leave(side_); }

  void start(std::shared_ptr<link_handler> handler) override { connection_->start(side_, std::move(handler)); }
  std::size_t send(link_message message) override { return connection_->send(side_, std::move(message)); }
  void grant(std::size_t bytes) override { connection_->grant(side_, bytes); }
  const std::string& peer() const noexcept override { return connection_->peer_of(side_); }

private:
  std::shared_ptr<sim_connection> connection_;
  int side_;
};

} // namespace

sim_listener::sim_listener(sim_network& net, const endpoint& where, network::accept_handler on_accept)
  : net_(net), where_(where), on_accept_(std::move(on_accept)) {
  net_.listeners_.emplace(to_string(where_), this);
}

sim_listener::~sim_listener() {
  net_.listeners_.erase(to_string(where_));
}

void sim_listener::accept(std::shared_ptr<sim_connection> made) {
  on_accept_(std::make_unique<sim_link>(std::move(made), 1));
}

/// The owner's hold on an intake.
class sim_intake_listener : public intake_listener {
public:
  sim_intake_listener(sim_network& net, std::shared_ptr<sim_intake> made) : net_(net), intake_(std::move(made)) {
    net_.intakes_.emplace(to_string(intake_->where()), intake_);
  }

  ~sim_intake_listener() override {
    net_.intakes_.erase(to_string(intake_->where()));
    intake_->close();
  }

  const endpoint& local() const noexcept override { return intake_->where(); }
  void grant(std::size_t bytes) override { intake_->grant(bytes); }
  void finish() override { intake_->finish(); }

private:
  sim_network& net_;
  std::shared_ptr<sim_intake> intake_;
};

/// The owner's hold on an endpoint of HTTP.
class sim_http_listener : public http_listener {
public:
  sim_http_listener(sim_network& net, endpoint where, std::shared_ptr<sim_http> made)
    : net_(net), where_(std::move(where)), http_(std::move(made)) {
    net_.https_.emplace(to_string(where_), http_);
  }

  ~sim_http_listener() override {
    net_.https_.erase(to_string(where_));
    http_->close();
  }

  const endpoint& local() const noexcept override { return where_; }
  void answer(request_id id, http_answer answer) override { http_->answer(id, std::move(answer)); }
  void finish() override { http_->finish(); }

private:
  sim_network& net_;
  endpoint where_;
  std::shared_ptr<sim_http> http_;
};

/// The seam for the actors of one host.
class sim_host : public network {
public:
  sim_host(sim_network& net, std::string name) : net_(net), name_(std::move(name)) {}

  std::unique_ptr<link> connect(const endpoint& peer, const link_options& options) override {
    auto made = std::make_shared<sim_connection>(net_, name_, peer, options);
    net_.connections_.push_back(made);
    return std::make_unique<sim_link>(std::move(made), 0);
  }

  expected<std::unique_ptr<listener>> listen(
    const endpoint& where, const link_options&, accept_handler on_accept) override {
    if (auto ok = check(where, "sim"); !ok)
      return fail(ok.error());
    return std::make_unique<sim_listener>(net_, where, std::move(on_accept));
  }

  expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const byte_options&, std::shared_ptr<byte_handler> handler) override {
    return take_in(where, std::make_shared<sim_intake>(net_, where, std::move(handler), nullptr));
  }

  expected<std::unique_ptr<intake_listener>> listen(
    const endpoint& where, const datagram_options&, std::shared_ptr<datagram_handler> handler) override {
    return take_in(where, std::make_shared<sim_intake>(net_, where, nullptr, std::move(handler)));
  }

  expected<std::unique_ptr<http_listener>> listen(
    const endpoint& where, const http_options&, std::shared_ptr<http_handler> handler) override {
    if (auto ok = check(where, "http"); !ok)
      return fail(ok.error());
    return std::make_unique<sim_http_listener>(net_, where, std::make_shared<sim_http>(net_, std::move(handler)));
  }

private:
  expected<void> check(const endpoint& where, std::string_view scheme) const {
    if ((!scheme.empty() && where.scheme != scheme) || where.host != name_)
      return fail(errc::invalid_argument, fmt::format("{}: not an endpoint of {}", to_string(where), name_));
    if (net_.listeners_.contains(to_string(where)) || net_.intakes_.contains(to_string(where)))
      return fail(errc::address_in_use, fmt::format("{}: somebody listens there", to_string(where)));
    return {};
  }

  expected<std::unique_ptr<intake_listener>> take_in(const endpoint& where, std::shared_ptr<sim_intake> made) {
    if (auto ok = check(where, {}); !ok)
      return fail(ok.error());
    return std::make_unique<sim_intake_listener>(net_, std::move(made));
  }

  sim_network& net_;
  std::string name_;
};

sim_network::sim_network(caf::actor_clock& clock, std::uint64_t seed, sim_network_options options)
  : clock_(clock), random_(seed), options_(options) {}

sim_network::~sim_network() = default;

std::unique_ptr<network> sim_network::join(std::string host) {
  return std::make_unique<sim_host>(*this, std::move(host));
}

std::unique_ptr<sim_sender> sim_network::dial(std::string host, const endpoint& to) {
  auto made = std::make_shared<sim_dialled>(*this, std::move(host), to);
  made->connect();
  return std::make_unique<sim_sender>(std::move(made));
}

void sim_network::send_datagram(const std::string& host, const endpoint& to, std::string bytes) {
  after(random_delay(), [this, host, to, bytes = std::move(bytes)] {
    if (auto intake = intake_at(to); intake && !is_stalled(host, to.host))
      intake->arrive(bytes);
  });
}

std::shared_ptr<sim_request> sim_network::request(const endpoint& to, http_request what) {
  auto made = std::make_shared<sim_request>();
  after(random_delay(), [this, to, made, what = std::make_shared<http_request>(std::move(what))] {
    if (auto found = https_.find(to_string(to)); found != https_.end())
      found->second->take(made, std::move(*what));
  });
  return made;
}

std::shared_ptr<sim_intake> sim_network::intake_at(const endpoint& where) const {
  auto found = intakes_.find(to_string(where));
  return found == intakes_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<sim_connection>> sim_network::connections() {
  std::erase_if(connections_, [](auto& entry) { return entry.expired(); });
  std::vector<std::shared_ptr<sim_connection>> alive;
  for (auto& entry : connections_)
    alive.push_back(entry.lock());
  return alive;
}

bool sim_network::lose_one() {
  auto candidates = connections();
  std::erase_if(candidates, [](auto& x) { return !x->is_usable(); });
  if (candidates.empty())
    return false;
  candidates[random_below(candidates.size())]->break_off();
  return true;
}

void sim_network::stall(const std::string& from, const std::string& to) {
  stalled_.emplace(from, to);
  watch_silence();
}

void sim_network::slow_down(const std::string& host, std::uint64_t bytes_per_second) {
  slow_[host] = bytes_per_second;
}

void sim_network::heal() {
  stalled_.clear();
  slow_.clear();
  go_on();
}

void sim_network::freeze(const std::string& host) {
  frozen_.insert(host);
  watch_silence();
}

void sim_network::thaw(const std::string& host) {
  if (frozen_.erase(host) > 0)
    go_on();
}

void sim_network::watch_silence() {
  ++stall_count_;
  for (auto& x : connections())
    x->watch_silence();
}

void sim_network::go_on() {
  ++stall_count_;
  for (auto& x : connections())
    x->go_on();
}

void sim_network::kill(const std::string& host) {
  for (auto& x : connections())
    for (auto side : {0, 1})
      if (x->is_at(side, host) && x->is_alive(side))
        x->die(side);
}

std::size_t sim_network::open_sides() const {
  std::size_t count = 0;
  for (auto& entry : connections_)
    if (auto x = entry.lock())
      count += x->is_alive(0) + x->is_alive(1);
  return count;
}

std::uint64_t sim_network::random_below(std::uint64_t bound) {
  return random_() % bound;
}

std::chrono::nanoseconds sim_network::random_delay() {
  auto range = static_cast<std::uint64_t>((options_.max_delay - options_.min_delay).count());
  return options_.min_delay + std::chrono::nanoseconds{random_below(range + 1)};
}

std::chrono::nanoseconds sim_network::random_scale(std::chrono::nanoseconds limit) {
  auto range = static_cast<std::uint64_t>(limit.count()) >> random_below(12);
  return std::chrono::nanoseconds{random_below(range + 1)};
}

bool sim_network::is_stalled(const std::string& from, const std::string& to) const {
  return (!stalled_.empty() && stalled_.contains({from, to})) ||
         (!frozen_.empty() && (frozen_.contains(from) || frozen_.contains(to)));
}

std::chrono::nanoseconds sim_network::transfer_time(
  const std::string& from, const std::string& to, std::size_t bytes) const {
  std::chrono::nanoseconds longest{0};
  for (auto* host : {&from, &to})
    if (auto found = slow_.find(*host); found != slow_.end())
      longest =
        std::max(longest, std::chrono::nanoseconds{static_cast<std::int64_t>(bytes * 1'000'000'000 / found->second)});
  return longest;
}

void sim_network::note(std::uint64_t what) noexcept {
  std::uint64_t parts[] = {trace_, what, static_cast<std::uint64_t>(clock_.now().time_since_epoch().count())};
  trace_ = XXH3_64bits(parts, sizeof parts);
}

} // namespace sluice::test
