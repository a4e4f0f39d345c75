/** The programs that README shows. */
@NullMarked
package io.quern.cli.readme;

import org.jspecify.annotations.NullMarked;
