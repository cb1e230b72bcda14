#include "tests/support/sim_intake.hpp"

#include <algorithm>

#include "tests/support/sim_network.hpp"

namespace sluice::test {

namespace {

constexpr std::size_t max_read_bytes = 64 * 1024;
constexpr std::size_t max_block_datagrams = 64;

buffer copy(std::string_view text) {
  buffer made;
  made.append(as_bytes(text));
  return made;
}

} // namespace

// -- sim_sender -----------------------------------------------------------------

void sim_sender::send(std::string_view bytes) {
  connection_->send(bytes);
}

void sim_sender::close() {
  connection_->close();
}

void sim_sender::reset() {
  connection_->reset();
}

std::size_t sim_sender::read_bytes() const noexcept {
  return connection_->read_bytes();
}

bool sim_sender::is_refused() const noexcept {
  return connection_->is_refused();
}

// -- sim_dialled ----------------------------------------------------------------

sim_dialled::sim_dialled(sim_network& net, std::string host, endpoint to)
  : net_(net), host_(std::move(host)), to_(std::move(to)) {}

void sim_dialled::connect() {
  put(std::string{});
}

void sim_dialled::send(std::string_view bytes) {
  while (!bytes.empty() && !is_closed_) {
    auto size = 1 + net_.random_below(bytes.size());
    put(std::string{bytes.substr(0, size)});
    bytes.remove_prefix(size);
  }
}

void sim_dialled::close() {
  if (!std::exchange(is_closed_, true))
    put(std::nullopt);
}

void sim_dialled::reset() {
  is_closed_ = has_ended_ = is_broken_ = true;
  travelling_.clear();
  ready_.clear();
  if (auto intake = at_.lock())
    intake->wake();
}

void sim_dialled::put(std::optional<std::string> piece) {
  travelling_.push_back(std::move(piece));
  auto now = net_.clock_.now().time_since_epoch().count();
  last_arrival_ = std::max(last_arrival_, now) + net_.random_delay().count();
  net_.after(std::chrono::nanoseconds{last_arrival_ - now}, [self = shared_from_this()] { self->arrive(); });
}

/// The first piece, which is empty, opens the connection.
void sim_dialled::arrive() {
  if (travelling_.empty() || is_refused_)
    return;
  if (net_.is_stalled(host_, to_.host))
    return net_.after(net_.random_delay() * 10, [self = shared_from_this()] { self->arrive(); });
  auto piece = std::move(travelling_.front());
  travelling_.pop_front();
  auto intake = at_.lock();
  if (!intake && piece && piece->empty() && (intake = net_.intake_at(to_))) {
    at_ = intake;
    intake->open(shared_from_this());
  }
  if (!intake)
    return refuse();
  if (piece)
    ready_ += *piece;
  else
    has_ended_ = true;
  intake->wake();
}

std::string sim_dialled::take(std::size_t most) {
  auto taken = ready_.substr(0, most);
  ready_.erase(0, taken.size());
  read_bytes_ += taken.size();
  return taken;
}

void sim_dialled::refuse() {
  is_closed_ = is_refused_ = true;
  travelling_.clear();
}

void sim_dialled::cut_off() {
  refuse();
  has_ended_ = true;
}

// -- sim_intake -----------------------------------------------------------------

sim_intake::sim_intake(
  sim_network& net, endpoint where, std::shared_ptr<byte_handler> bytes, std::shared_ptr<datagram_handler> datagrams)
  : net_(net), where_(std::move(where)), bytes_(std::move(bytes)), datagrams_(std::move(datagrams)) {}

void sim_intake::grant(std::size_t bytes) {
  credit_ += static_cast<std::int64_t>(bytes);
  wake();
}

void sim_intake::finish() {
  if (std::exchange(is_finishing_, true))
    return;
  for (auto& [id, peer] : peers_)
    peer->cut_off();
  wake();
}

void sim_intake::close() {
  is_closed_ = true;
  for (auto& [id, peer] : std::exchange(peers_, {}))
    peer->refuse();
}

void sim_intake::open(std::shared_ptr<sim_dialled> peer) {
  if (is_finishing_)
    return peer->refuse();
  auto name = peer->host();
  peers_.emplace(++last_peer_, std::move(peer));
  bytes_->on_opened(last_peer_, name);
}

void sim_intake::wake() {
  net_.after({}, [self = shared_from_this()] { self->read(); });
}

void sim_intake::arrive(std::string_view datagram) {
  if (is_finishing_)
    return;
  if (waiting_bytes_ + datagram.size() > socket_bytes) {
    ++dropped_;
    return;
  }
  waiting_bytes_ += datagram.size();
  waiting_.emplace_back(datagram);
  wake();
}

void sim_intake::read() {
  while (!is_closed_ && credit_ > 0 && (datagrams_ ? read_datagrams() : read_peer()))
    ;
  if (is_closed_ || !is_finishing_ || !waiting_.empty() || !peers_.empty())
    return;
  is_closed_ = true;
  if (bytes_)
    bytes_->on_finished();
  if (datagrams_)
    datagrams_->on_finished();
}

/// Returns false if no peer has anything.
bool sim_intake::read_peer() {
  auto has_something = [](auto& x) { return x.second->has_something(); };
  auto next = std::find_if(peers_.upper_bound(turn_), peers_.end(), has_something);
  if (next == peers_.end())
    next = std::find_if(peers_.begin(), peers_.end(), has_something);
  if (next == peers_.end())
    return false;
  auto [id, peer] = *next;
  turn_ = id;
  if (auto bytes = peer->take(max_read_bytes); !bytes.empty())
    bytes_->on_bytes(id, copy(bytes), use_credit(bytes.size()));
  if (peer->has_ended()) {
    peers_.erase(id);
    bytes_->on_closed(id, peer->is_broken() ? std::optional{error{errc::connection_lost, "reset"}} : std::nullopt);
  }
  return true;
}

bool sim_intake::read_datagrams() {
  if (auto dropped = std::exchange(dropped_, 0); dropped > 0)
    datagrams_->on_dropped(dropped);
  datagram_block block;
  for (; !waiting_.empty() && block.ends.size() < max_block_datagrams; waiting_.pop_front()) {
    block.bytes.append(as_bytes(waiting_.front()));
    block.ends.push_back(static_cast<std::uint32_t>(block.bytes.size()));
    waiting_bytes_ -= waiting_.front().size();
  }
  if (block.ends.empty())
    return false;
  auto credit = use_credit(block.bytes.size());
  datagrams_->on_datagrams(std::move(block), credit);
  return true;
}

std::size_t sim_intake::use_credit(std::size_t bytes) {
  auto credit = std::max(bytes, min_read_credit);
  credit_ -= static_cast<std::int64_t>(credit);
  return credit;
}

} // namespace sluice::test
