#include "tests/support/sim_file_system.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fnmatch.h>

namespace sluice::test {

namespace {

constexpr std::uint64_t sector_bytes = 512;

using path = std::filesystem::path;

tl::unexpected<error> fail_at(errc code, const path& where, std::string_view what) {
  return fail(code, fmt::format("{}: {}", where.string(), what));
}

void copy_sector(const std::string& from, std::string& to, std::uint64_t sector) {
  auto begin = sector * sector_bytes;
  auto end = std::min<std::uint64_t>({begin + sector_bytes, from.size(), to.size()});
  if (begin < end)
    std::copy(from.begin() + begin, from.begin() + end, to.begin() + begin);
}

} // namespace

class sim_file : public file {
public:
  sim_file(sim_file_system& owner, path where, std::shared_ptr<sim_file_system::inode> node, open_mode mode)
    : owner_(owner), where_(std::move(where)), node_(std::move(node)), mode_(mode), generation_(owner.generation_) {}

  expected<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    std::lock_guard guard{owner_.mutex_};
    if (auto ok = usable(); !ok)
      return fail(ok.error());
    if (offset >= node_->content.size())
      return 0;
    auto count = std::min<std::size_t>(into.size(), node_->content.size() - offset);
    std::memcpy(into.data(), node_->content.data() + offset, count);
    owner_.read_[where_] += count;
    return count;
  }

  expected<std::optional<std::size_t>> read_some(std::span<std::byte> into, std::chrono::milliseconds) override {
    auto count = read_at(into, cursor_);
    if (!count)
      return fail(count.error());
    cursor_ += *count;
    return *count;
  }

  expected<void> write_at(std::span<const byte_view> parts, std::uint64_t offset) override {
    std::lock_guard guard{owner_.mutex_};
    if (auto ok = writable(); !ok)
      return ok;
    owner_.tell_of(where_);
    return owner_.write_parts(*node_, where_, parts, offset);
  }

  expected<void> sync() override {
    std::lock_guard guard{owner_.mutex_};
    if (auto ok = usable(); !ok)
      return ok;
    return owner_.sync_file(*node_, where_);
  }

  expected<void> truncate(std::uint64_t size) override {
    std::lock_guard guard{owner_.mutex_};
    if (auto ok = writable(); !ok)
      return ok;
    owner_.tell_of(where_);
    return owner_.truncate_file(*node_, where_, size);
  }

  expected<file_info> info() override {
    std::lock_guard guard{owner_.mutex_};
    if (auto ok = usable(); !ok)
      return fail(ok.error());
    return sim_file_system::info_of(*node_);
  }

private:
  expected<void> usable() const {
    if (generation_ != owner_.generation_)
      return fail_at(errc::io_error, where_, "opened before the crash");
    return owner_.check_power(where_);
  }

  expected<void> writable() const {
    if (mode_ == open_mode::read)
      return fail_at(errc::permission_denied, where_, "opened for reading");
    return usable();
  }

  sim_file_system& owner_;
  path where_;
  std::shared_ptr<sim_file_system::inode> node_;
  open_mode mode_;
  std::uint64_t generation_;
  std::uint64_t cursor_ = 0;
};

class sim_lock : public file_lock {
public:
  sim_lock(sim_file_system& owner, path where)
    : owner_(owner), where_(std::move(where)), generation_(owner.generation_) {}

  ~sim_lock() override {
    std::lock_guard guard{owner_.mutex_};
    if (generation_ == owner_.generation_)
      owner_.locks_.erase(where_);
  }

private:
  sim_file_system& owner_;
  path where_;
  std::uint64_t generation_;
};

class sim_watch : public folder_watch {
public:
  sim_watch(sim_file_system& owner, handler changed) : owner_(owner), changed_(std::move(changed)) {
    std::lock_guard guard{owner_.mutex_};
    owner_.watches_.insert(this);
  }

  ~sim_watch() override {
    std::lock_guard guard{owner_.mutex_};
    owner_.watches_.erase(this);
  }

  expected<void> add(const path& folder) override {
    std::lock_guard guard{owner_.mutex_};
    if (!owner_.folders_.contains(folder))
      return fail_at(errc::not_found, folder, "no such folder");
    folders_.insert(folder);
    return {};
  }

  void tell_of(const path& changed) const {
    if (folders_.contains(changed.parent_path()))
      changed_({changed});
  }

private:
  sim_file_system& owner_;
  handler changed_;
  std::set<path> folders_;
};

void sim_file_system::crash() {
  std::lock_guard guard{mutex_};
  auto kept = random_below(unsynced_names_.size() + 1);
  for (std::size_t i = 0; i < kept; ++i)
    apply(durable_names_, unsynced_names_[i]);
  unsynced_names_.clear();
  for (auto& lost : std::exchange(unsynced_folders_, {}))
    forget_folder(lost);
  names_ = durable_names_;
  for (auto& [where, node] : names_)
    forget_unsynced(*node);
  locks_.clear();
  power_off_at_.reset();
  failing_write_.reset();
  failing_sync_.reset();
  ++generation_;
}

void sim_file_system::forget_folder(const path& lost) {
  auto is_below = [&](const path& where) {
    return std::mismatch(lost.begin(), lost.end(), where.begin(), where.end()).first == lost.end();
  };
  std::erase_if(folders_, is_below);
  std::erase_if(durable_names_, [&](auto& entry) { return is_below(entry.first); });
}

void sim_file_system::forget_unsynced(inode& node) {
  auto survivors = node.dirty;
  survivors.insert(node.lost.begin(), node.lost.end());
  auto shortest = std::min(node.durable.size(), node.content.size());
  auto longest = std::max(node.durable.size(), node.content.size());
  auto style = random_below(4);
  auto size = style == 0   ? node.durable.size()
              : style == 1 ? node.content.size()
                           : shortest + random_below(longest - shortest + 1);
  auto after = node.durable;
  after.resize(size, '\0');
  for (auto sector : survivors)
    if (style == 1 || (style > 1 && random_below(2) == 0))
      copy_sector(node.content, after, sector);
  node.content = after;
  node.durable = std::move(after);
  node.dirty.clear();
  node.lost.clear();
}

void sim_file_system::power_off_after(std::uint64_t operations) {
  std::lock_guard guard{mutex_};
  power_off_at_ = changes_ + operations;
}

bool sim_file_system::is_off() const {
  std::lock_guard guard{mutex_};
  return power_off_at_ && changes_ >= *power_off_at_;
}

void sim_file_system::fail_write(std::uint64_t nth, errc code) {
  std::lock_guard guard{mutex_};
  failing_write_.emplace(writes_ + nth, code);
}

void sim_file_system::fail_sync(std::uint64_t nth, errc code) {
  std::lock_guard guard{mutex_};
  failing_sync_.emplace(syncs_ + nth, code);
}

void sim_file_system::ignore_syncs() {
  std::lock_guard guard{mutex_};
  ignores_syncs_ = true;
}

void sim_file_system::clear_faults() {
  std::lock_guard guard{mutex_};
  power_off_at_.reset();
  failing_write_.reset();
  failing_sync_.reset();
}

void sim_file_system::set_capacity(std::uint64_t bytes) {
  std::lock_guard guard{mutex_};
  capacity_ = bytes;
}

std::uint64_t sim_file_system::changes() const {
  std::lock_guard guard{mutex_};
  return changes_;
}

std::uint64_t sim_file_system::syncs() const {
  std::lock_guard guard{mutex_};
  return syncs_;
}

std::uint64_t sim_file_system::bytes_read(const path& where) const {
  std::lock_guard guard{mutex_};
  auto found = read_.find(where);
  return found == read_.end() ? 0 : found->second;
}

std::string sim_file_system::content(const path& where) const {
  std::lock_guard guard{mutex_};
  auto found = names_.find(where);
  return found == names_.end() ? std::string{} : found->second->content;
}

void sim_file_system::set_content(const path& where, std::string content) {
  std::lock_guard guard{mutex_};
  auto& node = names_[where];
  if (!node) {
    node = std::make_shared<inode>();
    node->number = next_inode_++;
    durable_names_[where] = node;
    for (auto at = where.parent_path(); folders_.insert(at).second;)
      at = at.parent_path();
  }
  node->durable = content;
  node->content = std::move(content);
  node->dirty.clear();
  tell_of(where);
}

expected<std::unique_ptr<file>> sim_file_system::open(const path& where, open_mode mode) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(where); !ok)
    return fail(ok.error());
  if (folders_.contains(where))
    return fail_at(errc::is_a_directory, where, "is a directory");
  auto found = names_.find(where);
  if (mode != open_mode::create) {
    if (found == names_.end())
      return fail_at(errc::not_found, where, "no such file");
    return std::make_unique<sim_file>(*this, where, found->second, mode);
  }
  if (found != names_.end())
    return fail_at(errc::io_error, where, "exists already");
  if (!folders_.contains(where.parent_path()))
    return fail_at(errc::not_found, where.parent_path(), "no such folder");
  if (auto ok = count_change(where); !ok)
    return fail(ok.error());
  auto node = std::make_shared<inode>();
  node->number = next_inode_++;
  change_name({{}, where, node});
  return std::make_unique<sim_file>(*this, where, std::move(node), mode);
}

expected<std::unique_ptr<file>> sim_file_system::standard_input() {
  return open("/dev/stdin", open_mode::read);
}

expected<file_info> sim_file_system::info(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(where); !ok)
    return fail(ok.error());
  if (folders_.contains(where))
    return fail_at(errc::is_a_directory, where, "is a directory");
  auto found = names_.find(where);
  if (found == names_.end())
    return fail_at(errc::not_found, where, "no such file");
  return info_of(*found->second);
}

expected<void> sim_file_system::append(const path& where, std::string_view text) {
  auto opened = open(where, open_mode::read_write);
  if (!opened && opened.error().code == errc::not_found)
    opened = open(where, open_mode::create);
  if (!opened)
    return fail(opened.error());
  auto info = (*opened)->info();
  if (!info)
    return fail(info.error());
  const byte_view parts[] = {as_bytes(text)};
  return (*opened)->write_at(parts, info->size).and_then([&] { return (*opened)->sync(); }).and_then([&] {
    return sync_folder(where.parent_path());
  });
}

expected<std::vector<std::string>> sim_file_system::list(const path& folder) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(folder); !ok)
    return fail(ok.error());
  if (!folders_.contains(folder))
    return fail_at(errc::not_found, folder, "no such folder");
  std::vector<std::string> result;
  for (auto& [where, node] : names_)
    if (where.parent_path() == folder)
      result.push_back(where.filename().string());
  return result;
}

expected<void> sim_file_system::create_folders(const path& folder) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(folder); !ok)
    return ok;
  for (auto at = folder; folders_.insert(at).second; at = at.parent_path())
    unsynced_folders_.insert(at);
  return {};
}

expected<void> sim_file_system::rename(const path& from, const path& to) {
  std::lock_guard guard{mutex_};
  if (auto ok = count_change(from); !ok)
    return ok;
  auto found = names_.find(from);
  if (found == names_.end())
    return fail_at(errc::not_found, from, "no such file");
  change_name({from, to, found->second});
  return {};
}

expected<void> sim_file_system::remove(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = count_change(where); !ok)
    return ok;
  if (!names_.contains(where))
    return fail_at(errc::not_found, where, "no such file");
  change_name({where, {}, nullptr});
  return {};
}

expected<void> sim_file_system::sync_folder(const path& folder) {
  std::lock_guard guard{mutex_};
  if (auto ok = count_change(folder); !ok)
    return ok;
  auto is_here = [&](const name_change& change) {
    return (change.to.empty() ? change.from : change.to).parent_path() == folder;
  };
  for (auto& change : unsynced_names_)
    if (is_here(change))
      apply(durable_names_, change);
  std::erase_if(unsynced_names_, is_here);
  std::erase_if(unsynced_folders_, [&](const path& made) { return made.parent_path() == folder; });
  return {};
}

expected<std::unique_ptr<file_lock>> sim_file_system::lock(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(where); !ok)
    return fail(ok.error());
  if (!locks_.insert(where).second)
    return fail_at(errc::locked, where, "held by another process");
  return std::make_unique<sim_lock>(*this, where);
}

expected<file_system::space_info> sim_file_system::space(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = check_power(where); !ok)
    return fail(ok.error());
  return space_info{capacity_ - std::min(capacity_, used()), capacity_};
}

expected<std::vector<path>> sim_file_system::glob(const std::string& pattern) {
  std::lock_guard guard{mutex_};
  std::vector<path> result;
  for (auto& [where, node] : names_)
    if (::fnmatch(pattern.c_str(), where.c_str(), FNM_PATHNAME) == 0)
      result.push_back(where);
  return result;
}

expected<std::unique_ptr<folder_watch>> sim_file_system::watch(folder_watch::handler changed) {
  return std::make_unique<sim_watch>(*this, std::move(changed));
}

file_info sim_file_system::info_of(const inode& node) {
  timestamp birth{std::chrono::milliseconds{node.number}};
  return {.device = 1, .inode = node.number, .birth = birth, .size = node.content.size()};
}

void sim_file_system::tell_of(const path& changed) const {
  for (auto* watch : watches_)
    watch->tell_of(changed);
}

expected<void> sim_file_system::check_power(const path& where) const {
  if (power_off_at_ && changes_ >= *power_off_at_)
    return fail_at(errc::io_error, where, "the power is off");
  return {};
}

expected<void> sim_file_system::count_change(const path& where) {
  if (auto ok = check_power(where); !ok)
    return ok;
  ++changes_;
  return check_power(where);
}

void sim_file_system::apply(names& table, const name_change& change) const {
  table.erase(change.from);
  if (!change.to.empty())
    table[change.to] = change.node;
}

void sim_file_system::change_name(name_change change) {
  apply(names_, change);
  for (auto& changed : {change.from, change.to})
    if (!changed.empty())
      tell_of(changed);
  unsynced_names_.push_back(std::move(change));
}

std::uint64_t sim_file_system::used() const {
  std::uint64_t sum = 0;
  for (auto& [where, node] : names_)
    sum += node->content.size();
  return sum;
}

std::uint64_t sim_file_system::random_below(std::uint64_t bound) {
  return rng_() % bound;
}

void sim_file_system::write(inode& node, byte_view bytes, std::uint64_t offset) {
  if (bytes.empty())
    return;
  auto end = offset + bytes.size();
  if (node.content.size() < end)
    node.content.resize(end, '\0');
  std::memcpy(node.content.data() + offset, bytes.data(), bytes.size());
  for (auto sector = offset / sector_bytes; sector <= (end - 1) / sector_bytes; ++sector) {
    node.dirty.insert(sector);
    node.lost.erase(sector);
  }
}

expected<void> sim_file_system::write_parts(
  inode& node, const path& where, std::span<const byte_view> parts, std::uint64_t offset) {
  if (auto ok = check_power(where); !ok)
    return ok;
  std::string all;
  for (auto part : parts)
    all += as_text(part);
  auto powered = count_change(where);
  ++writes_;
  auto result = powered;
  std::uint64_t fitting = all.size();
  auto room = capacity_ - std::min(capacity_, used());
  auto growth = offset + all.size() - std::min<std::uint64_t>(node.content.size(), offset + all.size());
  if (powered && growth > room) {
    fitting = all.size() - std::min<std::uint64_t>(growth - room, all.size());
    result = fail_at(errc::storage_full, where, "no space left on device");
  }
  if (powered && failing_write_ && writes_ == failing_write_->first) {
    fitting = random_below(fitting + 1);
    result = fail_at(failing_write_->second, where, "injected write error");
  }
  if (!powered)
    fitting = random_below(fitting + 1);
  write(node, as_bytes(std::string_view{all}.substr(0, fitting)), offset);
  return result;
}

expected<void> sim_file_system::sync_file(inode& node, const path& where) {
  if (auto ok = count_change(where); !ok)
    return ok;
  ++syncs_;
  if (ignores_syncs_)
    return {};
  if (failing_sync_ && syncs_ == failing_sync_->first) {
    node.lost.insert(node.dirty.begin(), node.dirty.end());
    node.dirty.clear();
    return fail_at(failing_sync_->second, where, "injected sync error");
  }
  node.durable.resize(node.content.size(), '\0');
  for (auto sector : node.dirty)
    copy_sector(node.content, node.durable, sector);
  node.dirty.clear();
  return {};
}

expected<void> sim_file_system::truncate_file(inode& node, const path& where, std::uint64_t size) {
  if (auto ok = count_change(where); !ok)
    return ok;
  node.content.resize(size, '\0');
  if (size % sector_bytes != 0)
    node.dirty.insert(size / sector_bytes);
  return {};
}

} // namespace sluice::test
