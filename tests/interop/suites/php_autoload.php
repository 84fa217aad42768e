<?php
// What Composer would write as vendor/autoload.php of php-amqplib's sources: where its classes and those of its tests are,
// and Debian's phpseclib.
require '/usr/share/php/phpseclib3/autoload.php';

spl_autoload_register(function (string $class): void {
    foreach (['PhpAmqpLib\\Tests\\' => 'tests/', 'PhpAmqpLib\\' => 'PhpAmqpLib/'] as $prefix => $folder) {
        $file = $folder . str_replace('\\', '/', substr($class, strlen($prefix))) . '.php';
        if (str_starts_with($class, $prefix) && file_exists($file)) {
            require_once $file;
            return;
        }
    }
});
