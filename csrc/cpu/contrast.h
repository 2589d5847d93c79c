// What the contrastive engine (contrast.cpp) asks of the vectorised kernels (contrast_kernels.h).
//
// Rows are kept in blocks of at most `tile` rows; a tile is the product of two blocks. Row r of
// block b has the padded index b * tile + r. Packed rows that do not exist are zero.

#pragma once

#include <cstdint>

namespace simclr_bench {

// Which elements of a tile count.
enum class TilePart : int32_t {
  kAll,
  kOffDiagonal,    // not the main diagonal: the positives
  kAboveDiagonal,  // of a block with itself, where those below are the same
};

struct ContrastTile {
  int32_t row_block;
  int32_t column_block;
  TilePart part;
  bool columns;  // the tile also serves the rows of its column block, transposed
  // How often gradients of its row block and, with `columns`, of its column block are added to
  // before this tile does: by earlier tiles, or by itself as it serves rows before columns.
  int32_t row_turn;
  int32_t column_turn;
};

constexpr int64_t kLargestTile = 256;

// Rows and numbers that every tile needs.
template <typename T>
struct ContrastOperands {
  int64_t dim;                // D
  int64_t tile;               // rows of a full block, a multiple of the panel width
  int64_t padded_rows;        // blocks * tile
  int64_t padded_dim;         // D rounded up to whole panels
  int64_t gradient_rows;      // of padded_rows, the first: those that get a gradient
  const int64_t* block_rows;  // [blocks]: the rows that exist
  void* packed;               // the rows as `pack` leaves them
  const T* labels;            // [padded_rows], whole numbers; null without labels
  T scale;                    // log2(e) / τ, which turns similarities into exponents of 2
  bool stream;                // stored tiles are too many to stay in a cache
};

// Sums over some of the rows that a row is compared with, per padded row.
template <typename T>
struct ContrastTotals {
  double* sums;     // Σ_j 2^((s_ij - m_i)·scale)
  double* moments;  // Σ_j s_ij·2^((s_ij - m_i)·scale); null where not wanted
  T* maxima;        // m_i, the largest similarity; null where nothing is taken out, m_i = 0
};

// What the first pass over the tiles fills. Without labels all are negatives.
template <typename T>
struct ContrastSums {
  ContrastTotals<T> negatives;  // rows of another label
  ContrastTotals<T> positives;  // rows of the same label; null without labels
  double* similarities;         // Σ_j s_ij over rows of the same label; null without labels
};

// What the second pass needs, per padded row. Without labels only `negatives`.
template <typename T>
struct ContrastWeights {
  struct Part {
    const T* coefficients;
    const T* maxima;  // m_i; null where m_i = 0
  };
  Part negatives;     // c_i
  Part positives;     // a_i
  const T* constant;  // w_i
};

template <typename T>
struct ContrastKernels {
  int64_t panel;          // columns of a panel
  int64_t element_bytes;  // of the rows z and of their gradients, which need not be in T
  bool stores_tiles;      // whether to read a tile back is faster than to compute it again
  int64_t many_rows;      // rows of one input from which the largest tiles are the fastest

  int64_t (*packed_bytes)(const ContrastOperands<T>&);
  int64_t (*scratch)(int64_t tile);  // elements

  // Reads `rows` rows z [rows, D], normalises them, and fills one panel of packed rows from padded
  // row `first` on. norms [rows] are the lengths, 1 without normalising.
  void (*pack)(const ContrastOperands<T>&, const void* z, int64_t rows, bool normalize,
               int64_t first, double* norms);

  // u_i·u_j for padded rows i and j.
  double (*dot)(const ContrastOperands<T>&, int64_t i, int64_t j);

  // Adds a tile to the sums of its rows (and columns). `stored` [tile, tile], unless null, keeps
  // what `gradient` needs to not compute the tile again.
  void (*sums)(const ContrastOperands<T>&, const ContrastTile&, const ContrastSums<T>&, T* stored,
               T* scratch);

  // Adds Σ_j G_ij u_j to row i of `gradients` [padded_dim / panel][gradient_rows][panel] (and with
  // G transposed to those of its columns), or writes it if no tile did before, where with
  // e_ij = 2^(s_ij·scale) and m_i taken out of its exponent
  //   G_ij = c_i·e_ij + c_j·e_ji                          for rows of different labels
  //   G_ij = a_i·e_ij + a_j·e_ji - (w_i + w_j)            for rows of one label.
  void (*gradient)(const ContrastOperands<T>&, const ContrastTile&, const ContrastWeights<T>&,
                   const T* stored, T* gradients, T* scratch);

  // From the sum in `gradients` of row i to ∂L/∂z_i [D]: adds -attraction·u_pair, then the
  // chain rule through u = z / max(|z|, ε), times `factor`. Returns u_i·∂L/∂u_i / factor.
  double (*finish)(const ContrastOperands<T>&, int64_t i, int64_t pair, double attraction,
                   double norm, bool normalize, double factor, const T* gradients, void* out);
};

// torch.nn.functional.normalize's.
constexpr double kNormEpsilon = 1e-12;

// What each instruction set has.
struct ContrastTables {
  ContrastKernels<float> float32;
  ContrastKernels<double> float64;
};

// For the instruction set in use. Those of bfloat16 read it and compute in float; null where they
// would not be faster than floats. Those of float32 depend on how many rows there are in all.
const ContrastKernels<double>& float64_kernels();
const ContrastKernels<float>& float32_kernels(int64_t rows, bool normalize);
const ContrastKernels<float>* bfloat16_kernels();

}  // namespace simclr_bench
