/** What a device backend implements, and what dispatch and plans see of it. */
@NullMarked
package io.quern.backend;

import org.jspecify.annotations.NullMarked;
