#include "actors/spool/spool_cursor.hpp"

#include <fmt/format.h>

#include "actors/storage/store.hpp"

namespace sluice {

void spool_cursor::go_to(std::uint64_t segment) {
  segment_ = segment;
  entry_ = 0;
  sealed_.reset();
  file_.reset();
}

expected<const segment_index*> spool_cursor::index() {
  if (auto* active = store_.active(); active && active->header().number == segment_)
    return &active->index();
  if (!sealed_) {
    auto opened = segment_reader::open(files_, path());
    if (!opened)
      return fail(opened.error());
    sealed_ = std::move(*opened);
  }
  return &sealed_->index();
}

expected<const frame_entry*> spool_cursor::next(std::uint64_t newest_segment) {
  for (;;) {
    auto found = index();
    if (!found)
      return fail(found.error());
    if (entry_ < (*found)->frames.size())
      return &(*found)->frames[entry_];
    if (segment_ == newest_segment)
      return nullptr;
    go_to(segment_ + 1);
  }
}

expected<frame> spool_cursor::load(const frame_entry& entry) {
  if (!file_) {
    auto opened = files_.open(path(), open_mode::read);
    if (!opened)
      return fail(opened.error());
    file_ = std::move(*opened);
  }
  buffer bytes;
  bytes.resize(entry.frame_bytes());
  auto got = file_->read_at({bytes.data(), bytes.size()}, entry.offset);
  if (!got)
    return fail(got.error());
  bytes.resize(*got);
  auto loaded = frame::decode(share(std::move(bytes)));
  if (!loaded)
    return fail(loaded.error().code, fmt::format("{}:{}: {}", path().string(), entry.offset, loaded.error().message));
  return loaded;
}

std::filesystem::path spool_cursor::path() const {
  return folder_ / segment_name(segment_);
}

} // namespace sluice
