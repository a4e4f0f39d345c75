/** JSON as plain values; not exported. */
@NullMarked
package io.quern.json;

import org.jspecify.annotations.NullMarked;
