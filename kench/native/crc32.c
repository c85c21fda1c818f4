/* CRC-32 by eight tables, eight bytes a step. */
#include "crc32.h"
#include "bytes.h"

static uint32_t tables[8][256];

void kench_crc32_prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        tables[0][byte] = crc;
    }
    /* Table n holds what a byte has become after n further zero bytes. */
    for (int n = 1; n < 8; n++)
        for (int byte = 0; byte < 256; byte++)
            tables[n][byte] = tables[n - 1][byte] >> 8 ^ tables[0][tables[n - 1][byte] & 255];
}

uint32_t kench_crc32(const uint8_t *data, size_t size, uint32_t value) {
    uint32_t crc = ~value;
    for (; size >= 8; size -= 8, data += 8) {
        uint32_t low = crc ^ kench_load_le32(data), high = kench_load_le32(data + 4);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
              tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
              tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; size; size--, data++)
        crc = crc >> 8 ^ tables[0][(crc ^ *data) & 255];
    return ~crc;
}
