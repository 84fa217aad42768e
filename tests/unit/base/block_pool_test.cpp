#include "base/block_pool.h"

#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace wherry;

TEST_CASE("Blocks of every size are whole and apart from each other") {
  struct Block {
    unsigned char* at;
    std::size_t size;
    unsigned char fill;
  };
  std::vector<Block> blocks;
  auto get = [&](std::size_t size) {
    auto fill = static_cast<unsigned char>(blocks.size());
    auto* at = static_cast<unsigned char*>(BlockPool::get(size));
    std::memset(at, fill, size);
    blocks.push_back({at, size, fill});
  };
  for (std::size_t size = 0; size < 5000; size += 7) get(size);
  // Every other one is freed and made again, larger or smaller.
  for (std::size_t i = 0; i < blocks.size(); i += 2) {
    BlockPool::put(blocks[i].at, blocks[i].size);
    blocks[i].size = (blocks[i].size * 31) % 5000;
    blocks[i].at = static_cast<unsigned char*>(BlockPool::get(blocks[i].size));
    std::memset(blocks[i].at, blocks[i].fill, blocks[i].size);
  }
  std::size_t damaged = 0;
  for (const Block& block : blocks) {
    for (std::size_t i = 0; i < block.size; ++i) damaged += block.at[i] != block.fill;
    BlockPool::put(block.at, block.size);
  }
  CHECK(damaged == 0);
}

TEST_CASE("A block may be freed on another thread, which may end before the next one is made") {
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(BlockPool::get(300));
  std::thread other([&] {
    for (void* block : blocks) BlockPool::put(block, 300);
    for (void*& block : blocks) block = BlockPool::get(300);
  });
  other.join();
  CHECK(std::set<void*>(blocks.begin(), blocks.end()).size() == blocks.size());
  for (void* block : blocks) BlockPool::put(block, 300);
}
