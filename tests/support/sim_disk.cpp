#include <algorithm>

#include "tests/support/sim_file_system.hpp"

namespace sluice::test {

namespace {

constexpr std::uint64_t sector_bytes = 512;

void copy_sector(const std::string& from, std::string& to, std::uint64_t sector) {
  auto begin = sector * sector_bytes;
  auto end = std::min<std::uint64_t>({begin + sector_bytes, from.size(), to.size()});
  if (begin < end)
    std::copy(from.begin() + begin, from.begin() + end, to.begin() + begin);
}

} // namespace

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
  std::erase_if(folders_, [&](auto& folder) { return is_below(folder, lost); });
  std::erase_if(durable_names_, [&](auto& entry) { return is_below(entry.first, lost); });
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
  auto result = count_change(where);
  ++writes_;
  if (result && failing_write_ && writes_ == failing_write_->first)
    result = fail_at(failing_write_->second, where, "injected write error");
  std::uint64_t fitting = all.size();
  auto growth = offset + all.size() - std::min<std::uint64_t>(node.content.size(), offset + all.size());
  if (auto left = room(); growth > left) {
    fitting = all.size() - std::min<std::uint64_t>(growth - left, all.size());
    if (result)
      result = fail_at(errc::storage_full, where, "no space left on device");
  } else if (!result) {
    fitting = random_below(fitting + 1);
  }
  write(node, as_bytes(std::string_view{all}.substr(0, fitting)), offset);
  return result;
}

expected<void> sim_file_system::sync_file(inode& node, const path& where) {
  auto result = count_change(where);
  ++syncs_;
  if (result && failing_sync_ && syncs_ == failing_sync_->first)
    result = fail_at(failing_sync_->second, where, "injected sync error");
  if (!result) {
    node.lost.insert(node.dirty.begin(), node.dirty.end());
    node.dirty.clear();
    return result;
  }
  if (ignores_syncs_)
    return {};
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
