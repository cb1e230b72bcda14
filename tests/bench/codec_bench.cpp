/// What each step costs that a batch goes through, per byte of text. memcpy is the yardstick.

#include <cstring>
#include <string>

#include <benchmark/benchmark.h>

#include "actors/source/chunk_reader.hpp"
#include "messages/frame.hpp"
#include "messages/record_codec.hpp"
#include "transport/payload_codec.hpp"

namespace sluice {

namespace {

/// Lines as services write them; enough variety that they compress about six to one.
std::string some_lines(std::size_t bytes) {
  std::string text;
  std::uint32_t x = 1;
  while (text.size() < bytes) {
    x = x * 1664525 + 1013904223;
    text += "2026-01-01T00:00:00Z host service[" + std::to_string(x >> 20) + "]: request " + std::to_string(x) +
            " handled in " + std::to_string((x >> 8) & 1023) + " ms, status 200, path /items/" +
            std::to_string(x >> 25) + '\n';
  }
  return text;
}

const std::string text = some_lines(1024 * 1024);

buffer payload() {
  lines_payload lines;
  lines.append(text);
  return std::move(lines).finish({});
}

frame_header header_for(const buffer& bytes) {
  frame_header header;
  header.record_count = count_lines(text);
  header.decoded_bytes = static_cast<std::uint32_t>(bytes.size());
  header.position_end = text.size();
  return header;
}

void per_byte(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void copy(benchmark::State& state) {
  std::string into(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(into.data(), text.data(), text.size());
    benchmark::DoNotOptimize(into.data());
  }
  per_byte(state);
}
BENCHMARK(copy);

void count(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(count_newlines(text));
  per_byte(state);
}
BENCHMARK(count);

void cut(benchmark::State& state) {
  for (auto _ : state) {
    line_cutter cutter{chunk_limits{}};
    auto end = std::size_t{64 * 1024};
    while (!cutter.scan(std::string_view{text}.substr(0, end)) && end < text.size())
      end = std::min(end + 64 * 1024, text.size());
    benchmark::DoNotOptimize(cutter.take(std::string_view{text}.substr(0, end), false));
  }
  per_byte(state);
}
BENCHMARK(cut);

void compress(benchmark::State& state) {
  payload_compressor codec{{}};
  auto bytes = payload();
  auto header = header_for(bytes);
  for (auto _ : state)
    benchmark::DoNotOptimize(codec.compress(header, bytes.view()));
  per_byte(state);
}
BENCHMARK(compress);

void check_frame(benchmark::State& state) {
  auto bytes = payload();
  auto made = payload_compressor{{}}.compress(header_for(bytes), bytes.view());
  buffer copy;
  copy.append(made->bytes());
  auto shared = share(std::move(copy));
  for (auto _ : state)
    benchmark::DoNotOptimize(frame::decode(shared));
  per_byte(state);
}
BENCHMARK(check_frame);

void decompress_and_read(benchmark::State& state) {
  auto bytes = payload();
  auto made = payload_compressor{{}}.compress(header_for(bytes), bytes.view());
  payload_decompressor codec;
  for (auto _ : state) {
    auto decoded = codec.decompress(made->header(), made->payload());
    auto reader = record_reader::open(*decoded, made->header().record_count);
    while (auto* record = reader->next())
      benchmark::DoNotOptimize(record->body);
  }
  per_byte(state);
}
BENCHMARK(decompress_and_read);

} // namespace

} // namespace sluice
