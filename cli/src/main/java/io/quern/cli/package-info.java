/** The {@code quern} command. */
@NullMarked
package io.quern.cli;

import org.jspecify.annotations.NullMarked;
