/** Out-of-core datasets and input pipelines. */
@NullMarked
package io.quern.loader;

import org.jspecify.annotations.NullMarked;
