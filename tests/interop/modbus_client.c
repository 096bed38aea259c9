/* A Modbus client on libmodbus, for tests: reads registers once.
 *
 *   modbus_client tcp PORT UNIT FUNCTION ADDRESS COUNT
 *   modbus_client rtu DEVICE UNIT FUNCTION ADDRESS COUNT
 *   modbus_client ... id        the answer to function 17 instead
 *
 * FUNCTION is 3 or 4. It prints the octets in hexadecimal, or the error to standard error, exit code 1.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    uint8_t id[MODBUS_MAX_PDU_LENGTH];
    if (argc < 5)
        return 2;
    modbus_t *line = strcmp(argv[1], "tcp") == 0 ? modbus_new_tcp("127.0.0.1", atoi(argv[2]))
                                                 : modbus_new_rtu(argv[2], 9600, 'N', 8, 1);
    if (line == NULL || modbus_set_slave(line, atoi(argv[3])) != 0 || modbus_connect(line) != 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    int got, asks = strcmp(argv[4], "id") == 0;
    if (asks)
        got = modbus_report_slave_id(line, sizeof id, id);
    else if (argc < 7)
        return 2;
    else if (atoi(argv[4]) == 4)
        got = modbus_read_input_registers(line, atoi(argv[5]), atoi(argv[6]), words);
    else
        got = modbus_read_registers(line, atoi(argv[5]), atoi(argv[6]), words);
    if (got < 0) {
        fprintf(stderr, "%s\n", modbus_strerror(errno));
        return 1;
    }
    for (int at = 0; at < got; at++)
        printf(asks ? "%02x" : "%04x", asks ? id[at] : words[at]);
    printf("\n");
    modbus_close(line);
    modbus_free(line);
    return 0;
}
