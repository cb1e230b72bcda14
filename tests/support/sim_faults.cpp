#include <algorithm>

#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

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

void sim_file_system::fail_calls(unsigned per_mille, errc code, path folder) {
  std::lock_guard guard{mutex_};
  failing_calls_.emplace(per_mille, code, std::move(folder));
}

void sim_file_system::ignore_syncs() {
  std::lock_guard guard{mutex_};
  ignores_syncs_ = true;
}

void sim_file_system::ignore_folder_syncs() {
  std::lock_guard guard{mutex_};
  ignores_folder_syncs_ = true;
}

void sim_file_system::clear_faults() {
  std::lock_guard guard{mutex_};
  power_off_at_.reset();
  failing_write_.reset();
  failing_sync_.reset();
  failing_calls_.reset();
}

void sim_file_system::set_capacity(std::uint64_t bytes) {
  std::lock_guard guard{mutex_};
  capacity_ = bytes;
}

std::uint64_t sim_file_system::used_bytes() const {
  std::lock_guard guard{mutex_};
  return used();
}

void sim_file_system::forget_births() {
  std::lock_guard guard{mutex_};
  tells_births_ = false;
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
  auto& node = made(where);
  node.durable = content;
  node.content = std::move(content);
  node.dirty.clear();
  tell_of(where);
}

void sim_file_system::append_content(const path& where, std::string_view text) {
  std::lock_guard guard{mutex_};
  auto& node = made(where);
  node.content += text;
  node.durable = node.content;
  tell_of(where);
}

void sim_file_system::move_content(const path& from, const path& to) {
  std::lock_guard guard{mutex_};
  unlink(to);
  for (auto* table : {&names_, &durable_names_})
    table->insert_or_assign(to, std::move(table->extract(from).mapped()));
  tell_of(from);
  tell_of(to);
}

void sim_file_system::remove_content(const path& where) {
  std::lock_guard guard{mutex_};
  unlink(where);
  names_.erase(where);
  durable_names_.erase(where);
  tell_of(where);
}

void sim_file_system::make_pipe(const path& where) {
  std::lock_guard guard{mutex_};
  made(where).is_pipe = true;
}

void sim_file_system::end_pipe(const path& where) {
  std::lock_guard guard{mutex_};
  made(where).is_ended = true;
}

std::uint64_t sim_file_system::taken_from_pipe(const path& where) const {
  std::lock_guard guard{mutex_};
  return names_.at(where)->taken;
}

/// The file there, which is made if need be, with its folders.
sim_file_system::inode& sim_file_system::made(const path& where) {
  for (auto at = where.parent_path(); at.has_relative_path(); at = at.parent_path()) {
    folders_.insert(at);
    unsynced_folders_.erase(at);
  }
  auto& node = names_[where];
  if (!node) {
    node = make_inode();
    durable_names_[where] = node;
  }
  return *node;
}

} // namespace sluice::test
