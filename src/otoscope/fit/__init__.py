"""The one training loop: the caller gives batches and a loss; it gives progress, resume and the best one."""
