#include "tests/support/sim_file_system.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fnmatch.h>

namespace sluice::test {

namespace {

using path = std::filesystem::path;

} // namespace

class sim_file : public file {
public:
  sim_file(sim_file_system& owner, path where, std::shared_ptr<sim_file_system::inode> node, open_mode mode)
    : owner_(owner), where_(std::move(where)), node_(std::move(node)), mode_(mode), generation_(owner.generation_) {}

  expected<std::size_t> read_at(std::span<std::byte> into, std::uint64_t offset) override {
    std::lock_guard guard{owner_.mutex_};
    return read(into, offset);
  }

  expected<std::optional<std::size_t>> read_some(std::span<std::byte> into, std::chrono::milliseconds) override {
    std::lock_guard guard{owner_.mutex_};
    auto& cursor = node_->is_pipe ? node_->taken : cursor_;
    auto count = read(into, cursor);
    if (!count)
      return fail(count.error());
    cursor += *count;
    if (*count == 0 && node_->is_pipe && !node_->is_ended)
      return std::nullopt;
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
    if (auto ok = readable(); !ok)
      return fail(ok.error());
    return owner_.info_of(*node_);
  }

private:
  expected<std::size_t> read(std::span<std::byte> into, std::uint64_t offset) {
    if (auto ok = readable(); !ok)
      return fail(ok.error());
    if (offset >= node_->content.size())
      return 0;
    auto count = std::min<std::size_t>(into.size(), node_->content.size() - offset);
    std::memcpy(into.data(), node_->content.data() + offset, count);
    owner_.read_[where_] += count;
    return count;
  }

  expected<void> usable() const {
    if (generation_ != owner_.generation_)
      return sim_file_system::fail_at(errc::io_error, where_, "opened before the crash");
    return owner_.check_power(where_);
  }

  expected<void> readable() {
    return usable().and_then([this] { return owner_.admit(where_); });
  }

  expected<void> writable() const {
    if (mode_ == open_mode::read)
      return sim_file_system::fail_at(errc::permission_denied, where_, "opened for reading");
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
    owner_.watches_.push_back(this);
  }

  ~sim_watch() override {
    std::lock_guard guard{owner_.mutex_};
    std::erase(owner_.watches_, this);
  }

  expected<void> add(const path& folder) override {
    std::lock_guard guard{owner_.mutex_};
    if (!owner_.folders_.contains(folder))
      return sim_file_system::fail_at(errc::not_found, folder, "no such folder");
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

expected<std::unique_ptr<file>> sim_file_system::open(const path& where, open_mode mode) {
  let_others_act();
  std::lock_guard guard{mutex_};
  if (auto ok = admit(where); !ok)
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
  if (room() == 0)
    return fail_at(errc::storage_full, where, "no space left on device");
  auto node = make_inode();
  change_name({{}, where, node});
  return std::make_unique<sim_file>(*this, where, std::move(node), mode);
}

expected<std::unique_ptr<file>> sim_file_system::standard_input() {
  return open("/dev/stdin", open_mode::read);
}

expected<file_info> sim_file_system::info(const path& where) {
  let_others_act();
  std::lock_guard guard{mutex_};
  if (auto ok = admit(where); !ok)
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
  let_others_act();
  std::lock_guard guard{mutex_};
  if (auto ok = admit(folder); !ok)
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
  if (auto ok = admit(folder); !ok)
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
  auto node = found->second;
  unlink(to);
  change_name({from, to, std::move(node)});
  return {};
}

expected<void> sim_file_system::remove(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = count_change(where); !ok)
    return ok;
  if (!names_.contains(where))
    return fail_at(errc::not_found, where, "no such file");
  unlink(where);
  change_name({where, {}, nullptr});
  return {};
}

expected<void> sim_file_system::sync_folder(const path& folder) {
  std::lock_guard guard{mutex_};
  if (auto ok = count_change(folder); !ok)
    return ok;
  if (ignores_folder_syncs_)
    return {};
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
  if (auto ok = admit(where); !ok)
    return fail(ok.error());
  if (!locks_.insert(where).second)
    return fail_at(errc::locked, where, "held by another process");
  return std::make_unique<sim_lock>(*this, where);
}

expected<file_system::space_info> sim_file_system::space(const path& where) {
  std::lock_guard guard{mutex_};
  if (auto ok = admit(where); !ok)
    return fail(ok.error());
  return space_info{room(), capacity_};
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

file_info sim_file_system::info_of(const inode& node) const {
  return {.device = 1,
    .inode = node.number,
    .birth = tells_births_ ? node.birth : timestamp{},
    .size = node.content.size(),
    .regular = !node.is_pipe};
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

expected<void> sim_file_system::admit(const path& where) {
  if (auto ok = check_power(where); !ok)
    return ok;
  if (failing_calls_ && is_below(where, failing_calls_->folder) && random_below(1'000) < failing_calls_->per_mille)
    return fail_at(failing_calls_->code, where, "injected error");
  return {};
}

bool sim_file_system::is_below(const path& where, const path& folder) {
  return std::mismatch(folder.begin(), folder.end(), where.begin(), where.end()).first == folder.end();
}

void sim_file_system::let_others_act() {
  if (auto others = std::exchange(others_, nullptr)) {
    others();
    others_ = std::move(others);
  }
}

expected<void> sim_file_system::count_change(const path& where) {
  if (auto ok = admit(where); !ok)
    return ok;
  ++changes_;
  return check_power(where);
}

/// Numbers of files that are gone come again, as on most disks.
std::shared_ptr<sim_file_system::inode> sim_file_system::make_inode() {
  auto made = std::make_shared<inode>();
  made->birth = timestamp{std::chrono::milliseconds{next_birth_++}};
  auto gone = std::find_if(unlinked_.begin(), unlinked_.end(), [](auto& entry) { return entry.second.expired(); });
  if (gone == unlinked_.end()) {
    made->number = next_inode_++;
  } else {
    made->number = gone->first;
    unlinked_.erase(gone);
  }
  return made;
}

/// The name's file is about to lose it.
void sim_file_system::unlink(const path& where) {
  if (auto found = names_.find(where); found != names_.end())
    unlinked_.emplace_back(found->second->number, found->second);
}

tl::unexpected<error> sim_file_system::fail_at(errc code, const path& where, std::string_view what) {
  return fail(code, fmt::format("{}: {}", where.string(), what));
}

std::uint64_t sim_file_system::used() const {
  std::uint64_t sum = 0;
  for (auto& [where, node] : names_)
    sum += node->is_pipe ? 0 : node->content.size();
  return sum;
}

std::uint64_t sim_file_system::room() const {
  return capacity_ - std::min(capacity_, used());
}

std::uint64_t sim_file_system::random_below(std::uint64_t bound) {
  return rng_() % bound;
}

} // namespace sluice::test
