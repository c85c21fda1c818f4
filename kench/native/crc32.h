/* CRC-32 of zlib and Ethernet (reflected polynomial 0xEDB88320). */
#ifndef KENCH_CRC32_H
#define KENCH_CRC32_H

#include <stddef.h>
#include <stdint.h>

void kench_crc32_prepare(void); /* fills the tables; call once before the first kench_crc32 */
uint32_t kench_crc32(const uint8_t *data, size_t size, uint32_t value);

#endif
