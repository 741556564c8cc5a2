/** With `BUSBAR_TEST_TLS=1` the servers and connections of the specs speak TLS. */
export const IS_TLS = process.env['BUSBAR_TEST_TLS'] === '1'
