/* What one would write first: 4-bit GPTQ (format "gptq": zero points stored minus one), no act-order, to f32 [rows, columns]. */
#include <stdint.h>
#include <string.h>

static float half_to_float(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023, bits;
  float value;
  if (exponent == 0) {
    value = fraction * (1.0f / 16777216.0f);
    return sign ? -value : value;
  }
  bits = sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | (fraction << 13);
  memcpy(&value, &bits, 4);
  return value;
}

void dequantize_gptq4(const uint32_t *qweight, const uint32_t *qzeros, const uint16_t *scales, int rows, int columns,
                      int group_size, float *out) {
  for (int row = 0; row < rows; row++) {
    for (int group = 0; group < columns / group_size; group++) {
      float scale = half_to_float(scales[group * rows + row]);
      int zero = ((qzeros[group * (rows / 8) + row / 8] >> (4 * (row % 8))) & 15) + 1;
      for (int column = group * group_size; column < (group + 1) * group_size; column++) {
        int code = (qweight[(column / 8) * rows + row] >> (4 * (column % 8))) & 15;
        out[row * columns + column] = scale * (float)(code - zero);
      }
    }
  }
}
