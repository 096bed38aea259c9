/* A Modbus server on libmodbus, for tests: TCP on a free port of 127.0.0.1, or RTU on a device.
 *
 *   modbus_server tcp UNIT START COUNT [FUNCTION:ADDRESS:HEX]...
 *   modbus_server rtu DEVICE UNIT START COUNT [FUNCTION:ADDRESS:HEX]...
 *
 * Holding and input registers are those from START on, COUNT of them, 0 unless given: FUNCTION is 3 or 4, HEX the
 * octets from ADDRESS on. It prints `ready PORT` or `ready` and serves one client after the other until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void fill(modbus_mapping_t *map, int start, int count, const char *said)
{
    int function, address, length;
    unsigned word;
    if (sscanf(said, "%d:%d:%n", &function, &address, &length) != 2)
        fail(said);
    uint16_t *table = function == 4 ? map->tab_input_registers : map->tab_registers;
    for (const char *at = said + length; sscanf(at, "%4x", &word) == 1; at += 4, address++) {
        if (address < start || address >= start + count)
            fail(said);
        table[address - start] = (uint16_t)word;
    }
}

int main(int argc, char **argv)
{
    uint8_t query[MODBUS_MAX_ADU_LENGTH];
    int tcp = argc > 1 && strcmp(argv[1], "tcp") == 0, at = tcp ? 2 : 3, listener = -1, got;
    if (argc < at + 3)
        return 2;
    modbus_t *line = tcp ? modbus_new_tcp("127.0.0.1", 0) : modbus_new_rtu(argv[2], 9600, 'N', 8, 1);
    int unit = atoi(argv[at]), start = atoi(argv[at + 1]), count = atoi(argv[at + 2]);
    modbus_mapping_t *map = modbus_mapping_new_start_address(0, 0, 0, 0, start, count, start, count);
    if (line == NULL || map == NULL || modbus_set_slave(line, unit) != 0)
        fail("set up");
    for (at += 3; at < argc; at++)
        fill(map, start, count, argv[at]);
    if (tcp) {
        struct sockaddr_in where;
        socklen_t size = sizeof where;
        if ((listener = modbus_tcp_listen(line, 4)) < 0 || getsockname(listener, (struct sockaddr *)&where, &size) < 0)
            fail("listen");
        printf("ready %d\n", ntohs(where.sin_port));
    } else {
        if (modbus_connect(line) != 0)
            fail("open");
        printf("ready\n");
    }
    fflush(stdout);
    for (;;) {
        if (tcp && modbus_tcp_accept(line, &listener) < 0)
            fail("accept");
        do {
            got = modbus_receive(line, query);
            if (got > 0)
                modbus_reply(line, query, got, map);
        } while (got >= 0 || !tcp);
        modbus_close(line);
    }
}
